#include "fs/lock_text.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"

void lock_text_format(char text[LOCK_TEXT_SIZE + 1], const struct lock_text *lock)
{
    const struct process *holder = &lock->holder;
    int length =
        snprintf(text, LOCK_TEXT_SIZE + 1,
                 "b10transfer lock 1\ntoken %32.32s\nhost %-64.64s\nboot %-36.36s\npid %020" PRIu64
                 "\npid-namespace %020" PRIu64 "\nstart %020" PRIu64 "\ncounter %020" PRIu64 "\n",
                 lock->token, holder->host, holder->boot, holder->pid, holder->pid_namespace,
                 holder->start_ticks, lock->counter);
    assert(length == LOCK_TEXT_SIZE);
    (void)length;
}

void lock_text_counter(char text[LOCK_COUNTER_SIZE + 1], uint64_t counter)
{
    snprintf(text, LOCK_COUNTER_SIZE + 1, "%020" PRIu64, counter);
}

bool lock_text_parse(struct lock_text *lock, const void *data, size_t size)
{
    char text[LOCK_TEXT_SIZE + 1];
    char again[LOCK_TEXT_SIZE + 1];
    char numbers[4][LOCK_COUNTER_SIZE + 1];
    struct lock_text found = {.counter = 0};
    if (size != LOCK_TEXT_SIZE)
        return false;
    memcpy(text, data, LOCK_TEXT_SIZE);
    text[LOCK_TEXT_SIZE] = '\0';
    int fields = sscanf(text,
                        "b10transfer lock 1 token %32[0-9a-f] host %64[-._a-zA-Z0-9] boot "
                        "%36[-0-9a-f] pid %20[0-9] pid-namespace %20[0-9] start %20[0-9] counter "
                        "%20[0-9]",
                        found.token, found.holder.host, found.holder.boot, numbers[0], numbers[1],
                        numbers[2], numbers[3]);
    if (fields != 7 || !parse_u64(numbers[0], &found.holder.pid) ||
        !parse_u64(numbers[1], &found.holder.pid_namespace) ||
        !parse_u64(numbers[2], &found.holder.start_ticks) ||
        !parse_u64(numbers[3], &found.counter) || strlen(found.token) != TOKEN_TEXT_SIZE - 1)
        return false;
    lock_text_format(again, &found); /* widths, spaces and line ends */
    if (memcmp(text, again, LOCK_TEXT_SIZE) != 0)
        return false;
    *lock = found;
    return true;
}
