import { defineConfig } from 'vitest/config';
import { scopeCarbon } from './build/scope-carbon.js';

export default defineConfig({
  plugins: [scopeCarbon()],
  define: { 'process.env.NODE_ENV': '"production"' },
  build: {
    target: 'es2022',
    outDir: 'dist',
    emptyOutDir: true,
    // public/ holds the page at /: index.html and apollo.css, copied as they are.
    copyPublicDir: true,
    sourcemap: false,
    lib: { entry: 'src/apollo.ts', formats: ['es'], fileName: () => 'apollo.js' },
    rollupOptions: { output: { inlineDynamicImports: true } },
  },
  server: { fs: { allow: ['..'] } }, // tests read cases that Athena's own tests share
  test: { environment: 'happy-dom', include: ['test/**/*.test.ts'] },
});
