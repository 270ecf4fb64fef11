declare module '@carbon/icons/es/*' {
  interface Part {
    readonly elem: string;
    readonly attrs: Readonly<Record<string, string>>;
  }
  const descriptor: {
    readonly attrs: { readonly viewBox: string; readonly width: number; readonly height: number };
    readonly content: readonly Part[];
  };
  export default descriptor;
}
