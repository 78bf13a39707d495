// What Knarr needs of node:http at run time. An import from there makes Node read all of its exports, and with them load
// fetch and a WebSocket client: 4 MB for nothing.
export const { createServer, request, STATUS_CODES } = process.getBuiltinModule("node:http");
