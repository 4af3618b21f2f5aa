/* Waiting, which tests may replace. */
#ifndef BASE_PAUSE_H
#define BASE_PAUSE_H

/* Does nothing for `ms` milliseconds. Threads: any. */
void pause_ms(unsigned ms);

#endif
