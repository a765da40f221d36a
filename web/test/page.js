// Helpers in the page, for the functions that tests evaluate there.

/** A classifier with the small model from the folder /f/NAME/. */
export async function make(options, name = 'small') {
  const { createClassifier } = await import(`/f/${name}/resnet.js`);
  return createClassifier(options);
}

/** What a promise rejects with, as plain data. */
export async function failure(promise) {
  try {
    await promise;
  } catch (e) {
    return { code: e.code, name: e.name, message: e.message, isError: e instanceof Error };
  }
  return { code: 'none', message: 'it did not fail' };
}

export async function picture(name) {
  const response = await fetch(`/t/pictures/${name}`);
  if (!response.ok) throw new Error(`no picture ${name}`);
  return response.blob();
}

export async function image(src, crossOrigin) {
  const element = new Image();
  if (crossOrigin) element.crossOrigin = crossOrigin;
  element.src = src;
  await element.decode();
  return element;
}

export async function canvas(name) {
  const bitmap = await createImageBitmap(await picture(name), { colorSpaceConversion: 'none' });
  const element = Object.assign(document.createElement('canvas'), { width: bitmap.width, height: bitmap.height });
  element.getContext('2d').drawImage(bitmap, 0, 0);
  return element;
}

/** What most tests begin with: a classifier c and a picture scene. */
export async function begin() {
  globalThis.c = await make();
  globalThis.scene = await picture('scene.png');
}

Object.assign(globalThis, { make, failure, picture, image, canvas, begin });
