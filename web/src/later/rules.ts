// The list of alert rules and their editor: one file of script.
export { RulesPage } from "../rules/list";
export { RulePage } from "../rules/page";
