/* Linked into the shared library with B10_STATIC_DEPENDENCIES. Debian builds libjansson.a for executables: it reaches `stdin`
 * (to name it in messages of json_loadf, which is not used here) in a way that a shared library cannot. This one is seen by
 * the archives in the library only. */
extern void *stdin __attribute__((visibility("hidden")));
void *stdin;
