import { view } from './router.ts';
import type { View } from './router.ts';

/** The views of the page by the hash of their address; the first is what an unknown hash shows. */
export const views: Record<string, View> = {
  look: view(() => import('../views/look.ts'), {
    en: () => import('../views/look.en.ts'),
    zh: () => import('../views/look.zh.ts'),
  }),
  sort: view(() => import('../views/sort.ts'), {
    en: () => import('../views/sort.en.ts'),
    zh: () => import('../views/sort.zh.ts'),
  }),
};
