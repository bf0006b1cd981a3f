/** The addresses of the two files of each language, written by the build (vite.config.ts). */
declare module "virtual:texts" {
  const urls: Record<"en" | "es", string[]>;
  export default urls;
}
