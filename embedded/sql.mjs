/**
 * Just enough of SQL's lexical rules to cut a query string into statements and these into tokens: comments
 * (nested ones too), quoted identifiers, the string forms, dollar quotes. No grammar.
 */

const SPACE = /\s+|--[^\n]*/y;
const WORD = /[A-Za-z_\x80-\xff][\w$\x80-\xff]*/y;
const DOLLAR = /\$(?:[A-Za-z_\x80-\xff][\w\x80-\xff]*)?\$/y;
const QUOTED_IDENTIFIER = /"(?:[^"]|"")*"?/y;
const STRING = /'(?:[^']|'')*'?/y;
const ESCAPE_STRING = /[eE]'(?:[^'\\]|''|\\[^])*'?/y;
const OTHER = /\d[\w.]*|[^]/y;

/**
 * The tokens of `sql` (latin1) as `{kind, text, start, end}`; kind is word, name ("quoted"), string or other.
 * @param {string} sql
 */
export function* tokens(sql) {
  let at = 0;
  while (at < sql.length) {
    const skipped = skipSpace(sql, at);
    if (skipped > at) {
      at = skipped;
      continue;
    }
    const [kind, end] = oneToken(sql, at);
    yield { kind, text: sql.slice(at, end), start: at, end };
    at = end;
  }
}

function oneToken(sql, at) {
  let end;
  if ((end = match(ESCAPE_STRING, sql, at))) return ['string', end];
  if ((end = match(WORD, sql, at))) return ['word', end];
  if ((end = match(QUOTED_IDENTIFIER, sql, at))) return ['name', end];
  if ((end = match(STRING, sql, at))) return ['string', end];
  if ((end = match(DOLLAR, sql, at))) return ['string', dollarEnd(sql, at, end)];
  return ['other', match(OTHER, sql, at)];
}

function match(pattern, sql, at) {
  pattern.lastIndex = at;
  return pattern.test(sql) ? pattern.lastIndex : 0;
}

function dollarEnd(sql, at, end) {
  const close = sql.indexOf(sql.slice(at, end), end);
  return close < 0 ? sql.length : close + end - at;
}

function skipSpace(sql, at) {
  if (sql.startsWith('/*', at)) return blockCommentEnd(sql, at);
  return match(SPACE, sql, at) || at;
}

function blockCommentEnd(sql, at) {
  const edge = /\/\*|\*\//g;
  edge.lastIndex = at;
  for (let depth = 0, found; (found = edge.exec(sql)); ) {
    depth += found[0] === '/*' ? 1 : -1;
    if (depth === 0) return edge.lastIndex;
  }
  return sql.length;
}

/** The non-empty statements of `sql`, each as its list of tokens. @returns {Array<Array<object>>} */
export function statements(sql) {
  const all = [[]];
  let body = 0; // depth inside BEGIN ATOMIC … END, whose semicolons do not end the statement
  for (const token of tokens(sql)) {
    const last = all[all.length - 1];
    if (isWord(token, 'ATOMIC') && isWord(last[last.length - 1], 'BEGIN')) body = 1;
    else if (body > 0 && isWord(token, 'CASE')) body += 1;
    else if (body > 0 && isWord(token, 'END')) body -= 1;
    if (token.text === ';' && body === 0) all.push([]);
    else last.push(token);
  }
  return all.filter((statement) => statement.length > 0);
}

/** Whether `token` is this keyword (given in upper case). */
export function isWord(token, keyword) {
  return token?.kind === 'word' && token.text.toUpperCase() === keyword;
}

/** The identifier that a token means: unquoted ones fold to lower case. */
export function identifier(token) {
  if (token?.kind === 'name') return token.text.slice(1, -1).replaceAll('""', '"');
  return token ? token.text.toLowerCase() : '';
}

/** `name` as a quoted identifier. */
export const quoteIdentifier = (name) => `"${name.replaceAll('"', '""')}"`;

/** `text` as a string literal. */
export const quoteLiteral = (text) => `'${text.replaceAll("'", "''")}'`;
