/* Text that must stay one harmless line: names of files may hold newlines and terminal escapes. */
#ifndef BASE_LINE_H
#define BASE_LINE_H

/* Replaces every control character of `text` by '?', in place. */
void line_clean(char *text);

/* Replaces every byte that is not printable ASCII: of what is shown, digested or compared, whoever
 * said it. */
void line_clean_ascii(char *text);

#endif
