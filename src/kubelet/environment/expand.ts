// Variable references in commands, arguments and values: $(NAME); $$ is a dollar sign.
// Follows kubernetes v1.36 third_party/forked/golang/expansion/expand.go (Expand).

/** References to unknown names stay as they are. */
export function expandReferences(text: string, lookup: (name: string) => string | undefined): string {
  if (!text.includes("$")) return text;
  return text.replace(/\$\$|\$\(([^)]*)\)/g, (whole, name: string | undefined) => {
    if (name === undefined) return "$";
    return lookup(name) ?? whole;
  });
}
