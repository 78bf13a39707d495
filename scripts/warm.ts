// Loads what a cluster is made of and ends: Node keeps the compiled code, so that the first cluster starts as fast as every
// other and never carries the compiler in its memory. Run by node.sh when there is no compile cache yet.
import "../src/apiserver/http/yaml-worker.ts";
import "../src/cli/up.ts";
import "../src/cluster.ts";
import "../src/controllers/index.ts";
import "../src/controllers/volumes/default-class.ts";
import "../src/node.ts";
import "../src/scheduler/scheduler.ts";
import "../src/store/worker.ts";

// The command itself runs when it is loaded: let it say no more than its version.
process.argv[2] = "--version";
await import("../src/cli/main.ts");
