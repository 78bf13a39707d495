// The few system calls that Node does not offer, through koffi. Loaded on first use; Linux with glibc only.
import koffi from "koffi";

const lib = koffi.load("libc.so.6");

export const libc = {
  posix_spawnp: lib.func(
    "int posix_spawnp(_Out_ int *pid, const char *file, void *actions, void *attributes, const char **argv, const char **envp)",
  ),
  actions_init: lib.func("int posix_spawn_file_actions_init(void *actions)"),
  actions_adddup2: lib.func("int posix_spawn_file_actions_adddup2(void *actions, int fd, int newfd)"),
  actions_addchdir: lib.func("int posix_spawn_file_actions_addchdir_np(void *actions, const char *path)"),
  actions_destroy: lib.func("int posix_spawn_file_actions_destroy(void *actions)"),
  waitpid: lib.func("int waitpid(int pid, _Out_ int *status, int options)"),
  pipe2: lib.func("int pipe2(_Out_ int *fds, int flags)"),
  memfd_create: lib.func("int memfd_create(const char *name, unsigned int flags)"),
  lseek: lib.func("long lseek(int fd, long offset, int whence)"),
  mount: lib.func(
    "int mount(const char *source, const char *target, const char *type, unsigned long flags, const char *data)",
  ),
  umount2: lib.func("int umount2(const char *target, int flags)"),
  malloc_trim: lib.func("int malloc_trim(size_t pad)"),
};

/** The error of the call just made, as Node would report it. */
export function systemError(call: string, subject: string, errno = koffi.errno()): NodeJS.ErrnoException {
  const code = Object.entries(koffi.os.errno).find(([, value]) => value === errno)?.[0] ?? `errno ${errno}`;
  return Object.assign(new Error(`${call} ${subject}: ${code}`), { code, errno, syscall: call });
}
