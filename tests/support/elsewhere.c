#include "support/elsewhere.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/guard.h"
#include "cache/names.h"
#include "env/key.h"
#include "support/forge.h"

static void ok(enum b10_reason reason)
{
    assert_int_equal(reason, B10_REASON_OK);
}

void elsewhere_init(struct elsewhere *host, const struct scratch *scratch,
                    const struct gpu_probe *probe)
{
    *host = (struct elsewhere){.scratch = scratch, .facts = FACTS_NONE};
    ok(facts_collect(&host->facts, "inductor", NULL, NULL, probe, NULL));
}

void elsewhere_release(struct elsewhere *host)
{
    facts_release(&host->facts);
}

void elsewhere_set(struct elsewhere *host, const char *fact, const char *value)
{
    struct facts changed = FACTS_NONE;
    for (size_t i = 0; i < host->facts.count; i++) {
        const struct fact *kept = &host->facts.items[i];
        if (strcmp(kept->name, fact) != 0)
            ok(facts_add(&changed, kept->name, kept->value, NULL));
    }
    if (value != NULL)
        ok(facts_add(&changed, fact, value, NULL));
    facts_release(&host->facts);
    host->facts = changed;
}

const char *elsewhere_key(const struct elsewhere *host)
{
    static struct key key;
    ok(key_make(&key, &host->facts, NULL));
    return key.text;
}

const char *elsewhere_path(const struct elsewhere *host)
{
    static char path[NAMES_SIZE + 16];
    char name[NAMES_SIZE];
    names_archive(name, elsewhere_key(host));
    snprintf(path, sizeof(path), "volume/%s", name);
    return scratch_path(host->scratch, path);
}

void elsewhere_save(const struct elsewhere *host, const char *text)
{
    struct forge forge;
    forge_init(&forge);
    forge_facts(&forge, host->facts.items, host->facts.count);
    free(forge.manifest.key);
    forge.manifest.key = strdup(elsewhere_key(host));
    forge_file(&forge, "inductor/which", text);
    for (uint64_t i = 1; i < host->host_code; i++) {
        char name[40];
        snprintf(name, sizeof(name), "inductor/code%u", (unsigned)i);
        forge_file(&forge, name, "code");
    }
    if (host->zeros > 0) {
        SCOPED(heap) char *zeros = calloc(1, host->zeros);
        assert_non_null(zeros);
        forge_sliced(&forge, "inductor/zeros", zeros, host->zeros, 8 << 20, false);
    }
    forge.manifest.totals.host_code = host->host_code;
    const char *path = elsewhere_path(host);
    forge_save(&forge, path);
    forge_release(&forge);
    const struct timespec times[2] = {{host->modified, 0}, {host->modified, 0}};
    if (host->modified != 0)
        assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}
