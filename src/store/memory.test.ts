// The memory store keeps the contract.
import { realClock } from "../machinery/clock.ts";
import { openMemoryStore } from "./memory.ts";
import { storeContract } from "./store.contract.ts";

storeContract("memory", (options) => openMemoryStore({ clock: realClock, freeze: true, ...options }));
