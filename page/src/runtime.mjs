import { loadAndCompile, loadLiteRt, Tensor } from '@litertjs/core';

// It asks for a GPU whenever it starts, and says so where there is none; the models here are too small for one.
async function withoutGpu(start) {
  const gpu = Object.getOwnPropertyDescriptor(Navigator.prototype, 'gpu');
  const warn = console.warn;
  Object.defineProperty(Navigator.prototype, 'gpu', { value: undefined, configurable: true });
  console.warn = () => {};
  try {
    return await start();
  } finally {
    console.warn = warn;
    if (gpu) Object.defineProperty(Navigator.prototype, 'gpu', gpu);
    else delete Navigator.prototype.gpu;
  }
}

/** A compiled model; `wasm` and `file` are Uint8Arrays. */
export async function compile(wasm, file) {
  globalThis.liteRtBinary = wasm;
  await withoutGpu(() => loadLiteRt('', {}));
  globalThis.liteRtBinary = undefined;
  return loadAndCompile(file, { accelerator: 'wasm', cpuOptions: { numThreads: 1 } });
}

export { Tensor };
