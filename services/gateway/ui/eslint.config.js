import reactHooks from "eslint-plugin-react-hooks";
import tseslint from "typescript-eslint";

/**
 * Imports go one way: app → features → components | api → lib. A feature never imports another, except the app,
 * which composes them. `lib` may name the API's types, and nothing else of it.
 */
const FORBIDDEN = {
  "src/lib/**": ["@/app/*", "@/features/*", "@/components/*"],
  "src/api/**": ["@/app/*", "@/features/*", "@/components/*"],
  "src/components/**": ["@/app/*", "@/features/*"],
  // Neither by name nor by way of the folder above.
  "src/features/**": ["@/app/*", "@/features/*", "../*"],
};

const HTML = [
  { selector: "JSXAttribute[name.name='dangerouslySetInnerHTML']", message: "Text from outside is text: never HTML." },
  { selector: "MemberExpression[property.name='innerHTML']", message: "Text from outside is text: never HTML." },
];
const BY_HAND = "Addresses that are built by hand stand in src/lib/urls.ts alone.";
const SERVER = "^.(api|readyz|healthz|livez|metrics)(.|$)";
/** What only `lib/urls.ts` writes, and what only `api` asks. Typed paths of the API's client stand in `api`. */
const ADDRESSES = [
  { selector: `Literal[value=/${SERVER}/]`, message: BY_HAND },
  { selector: `TemplateElement[value.raw=/${SERVER}/]`, message: BY_HAND },
  { selector: "MemberExpression[object.name='location'][property.name=/^(origin|host|hostname|port)$/]", message: BY_HAND },
  { selector: "CallExpression[callee.name='fetch'], NewExpression[callee.name=/^(EventSource|WebSocket|XMLHttpRequest)$/]", message: "Only src/api asks the server." },
];

export default tseslint.config(
  { ignores: ["node_modules", "dist", "src/api/schema.ts", "public", "scripts"] },
  ...tseslint.configs.recommended,
  reactHooks.configs.flat["recommended-latest"] ?? reactHooks.configs.flat.recommended,
  {
    rules: {
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_", varsIgnorePattern: "^_" }],
      "@typescript-eslint/consistent-type-imports": "error",
      "no-restricted-syntax": ["error", ...HTML],
      "max-lines": ["error", { max: 250, skipBlankLines: true, skipComments: true }],
    },
  },
  {
    files: ["src/app/**", "src/features/**", "src/components/**", "src/lib/**"],
    ignores: ["src/lib/urls.ts"],
    rules: { "no-restricted-syntax": ["error", ...HTML, ...ADDRESSES] },
  },
  // Sample data is long by nature.
  { files: ["tests/sample/**"], rules: { "max-lines": "off" } },
  ...Object.entries(FORBIDDEN).map(([files, group]) => ({
    files: [files],
    rules: { "no-restricted-imports": ["error", { patterns: [{ group, message: "Imports go one way: app → features → components | api → lib." }] }] },
  })),
  {
    files: ["src/lib/**"],
    rules: {
      "no-restricted-imports": ["error", { patterns: [{ group: ["@/app/*", "@/features/*", "@/components/*"] }, { group: ["@/api/*", "!@/api/types"], message: "lib knows only the types of the API." }] }],
    },
  },
  {
    files: ["src/components/**"],
    rules: {
      "no-restricted-imports": ["error", { patterns: [{ group: ["@/app/*", "@/features/*"] }, { group: ["@/api/*", "!@/api/types"], message: "Components show what they are given." }] }],
    },
  },
);
