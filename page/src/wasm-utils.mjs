// In place of @litertjs/wasm-utils, which loads scripts by address: here the factory is beside us, and a page opened
// from a disk may fetch nothing.
export async function createWasmLib(kind) {
  return new kind(await globalThis.ModuleFactory({ wasmBinary: globalThis.liteRtBinary }));
}
