#include "support/nvidia/fake.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* ---- cards ---- */

/* The next field of *cursor up to one of `stops` or the end; returns the stop, which is passed. */
static char take(const char **cursor, const char *stops, char *field, size_t size)
{
    size_t length = strcspn(*cursor, stops);
    char stop = (*cursor)[length];
    size_t kept = length < size ? length : size - 1;
    memcpy(field, *cursor, kept);
    field[kept] = '\0';
    *cursor += length + (stop != '\0' ? 1 : 0);
    return stop;
}

static char take_migs(const char **cursor, struct fake_card *card)
{
    char stop = ',';
    while (stop == ',' && card->mig_count < FAKE_MIGS_MAX) {
        struct fake_mig *mig = &card->migs[card->mig_count++];
        take(cursor, ":", mig->profile, sizeof(mig->profile));
        stop = take(cursor, ",|", mig->uuid, sizeof(mig->uuid));
    }
    return stop;
}

static void take_card(const char **cursor, struct fake_card *card)
{
    char capability[32] = "";
    *card = (struct fake_card){0};
    take(cursor, ";", card->name, sizeof(card->name));
    take(cursor, ";", capability, sizeof(capability));
    sscanf(capability, "%d.%d", &card->major, &card->minor);
    if (take(cursor, ";|", card->uuid, sizeof(card->uuid)) == ';')
        take_migs(cursor, card);
}

int fake_cards(struct fake_card cards[FAKE_CARDS_MAX])
{
    const char *cursor = getenv("B10_FAKE_GPUS");
    int count = 0;
    while (cursor != NULL && *cursor != '\0' && count < FAKE_CARDS_MAX)
        take_card(&cursor, &cards[count++]);
    return count;
}

int fake_cuda_version(void)
{
    const char *version = getenv("B10_FAKE_CUDA");
    return version != NULL ? atoi(version) : 12080;
}

/* ---- calls ---- */

/* The number of `function` in a list "name:number,name:number"; 0 if it is not there. */
static int number_of(const char *variable, const char *function)
{
    const char *cursor = getenv(variable);
    size_t length = strlen(function);
    while (cursor != NULL && *cursor != '\0') {
        if (strncmp(cursor, function, length) == 0 && cursor[length] == ':')
            return atoi(cursor + length + 1);
        cursor += strcspn(cursor, ",");
        cursor += *cursor == ',' ? 1 : 0;
    }
    return 0;
}

static void log_call(const char *function)
{
    char line[128];
    const char *path = getenv("B10_FAKE_LOG");
    if (path == NULL)
        return;
    int length = snprintf(line, sizeof(line), "%d %s\n", (int)getpid(), function);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (fd < 0 || write(fd, line, (size_t)length) != length)
        abort(); /* a call that is not in the log would prove too much */
    close(fd);
}

int fake_enter(const char *function)
{
    log_call(function);
    int delay = number_of("B10_FAKE_DELAY_MS", function);
    struct timespec left = {delay / 1000, delay % 1000 * 1000000L};
    while (delay > 0 && nanosleep(&left, &left) != 0 && errno == EINTR)
        continue;
    return number_of("B10_FAKE_RC", function);
}
