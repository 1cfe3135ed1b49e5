// In place of @litertjs/wasm-utils, which loads scripts by address: here the factory is beside us, and a page opened
// from a disk may fetch nothing.
// Of its log, whose every line is an error to a browser, only errors are told.
const printErr = (line) => {
  if (/^(ERROR|FATAL)/.test(line)) console.error(line);
};

export async function createWasmLib(kind) {
  return new kind(await globalThis.ModuleFactory({ wasmBinary: globalThis.liteRtBinary, printErr }));
}
