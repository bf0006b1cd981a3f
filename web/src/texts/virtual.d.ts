/** The addresses of the languages' files, written by the build (vite.config.ts). */
declare module "virtual:texts" {
  const urls: Record<"en" | "es", string>;
  export default urls;
}
