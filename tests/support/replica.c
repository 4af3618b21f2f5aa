#include "support/replica.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void keep_log(void *user, b10_log_level level, const char *message)
{
    struct replica *replica = user;
    size_t used = strlen(replica->log);
    snprintf(replica->log + used, sizeof(replica->log) - used, "%d %s\n", (int)level, message);
}

/* Every local directory, and those below `path` whatever it belongs to. */
static void replica_allow(struct replica *replica, const char *path)
{
    char prefixes[4400];
    snprintf(prefixes, sizeof(prefixes), "any,%s", path);
    replica_set(replica, "b10_local_prefixes", prefixes);
}

void replica_init(struct replica *replica, const struct scratch *scratch)
{
    *replica = (struct replica){.scratch = scratch,
                                .options = B10_INIT(b10_options),
                                .error = B10_INIT(b10_error),
                                .report = B10_INIT(b10_report)};
    replica->options.log = keep_log;
    replica->options.log_user = replica;
    scratch_mkdir(scratch, "volume");
    replica_set(replica, "baseten_fs_enabled", "1");
    replica_set(replica, "torchinductor_cache_dir", scratch_path(scratch, "local"));
    replica_set(replica, "b10fs_cache_dir", scratch_path(scratch, "volume"));
    replica_allow(replica, scratch->path);
    replica_set(replica, "b10_cache_roots", "none");
    replica_set(replica, "min_local_space_mb", "0");
    replica_set(replica, "min_b10fs_space_mb", "0");
    replica_set(replica, "b10_log_level", "debug");
}

void replica_release(struct replica *replica)
{
    b10_config_free(replica->made);
}

static void apply(struct replica *replica, const char *key, const char *value)
{
    if (b10_config_set(replica->made, key, value, &replica->error) != B10_SUCCESS)
        fail_msg("%s=%s: %s", key, value, replica->error.message);
}

b10_config *replica_config(struct replica *replica)
{
    if (replica->made != NULL && replica->maker == getpid())
        return replica->made;
    b10_config_free(replica->made);
    replica->made = b10_config_new();
    replica->maker = getpid();
    assert_non_null(replica->made);
    for (size_t i = 0; i < replica->setting_count; i++)
        apply(replica, replica->settings[i].key, replica->settings[i].value);
    return replica->made;
}

void replica_set(struct replica *replica, const char *key, const char *value)
{
    size_t i = 0;
    (void)replica_config(replica);
    apply(replica, key, value);
    while (i < replica->setting_count && strcmp(replica->settings[i].key, key) != 0)
        i++;
    assert_true(i < REPLICA_SETTINGS_MAX);
    replica->setting_count += i == replica->setting_count;
    assert_true(strlen(value) < sizeof(replica->settings[i].value));
    snprintf(replica->settings[i].key, sizeof(replica->settings[i].key), "%s", key);
    snprintf(replica->settings[i].value, sizeof(replica->settings[i].value), "%s", value);
}

OperationStatus replica_load(struct replica *replica)
{
    return b10_load(replica_config(replica), &replica->options, &replica->report, &replica->error);
}

OperationStatus replica_save(struct replica *replica)
{
    return b10_save(replica_config(replica), &replica->options, &replica->report, &replica->error);
}

void replica_assert_at(const struct replica *replica, OperationStatus status,
                       OperationStatus expected, b10_reason reason, const char *file, int line)
{
    if (status == expected && replica->error.code == (uint32_t)reason)
        return;
    print_error("%s:%d: %s/%s expected, got %s/%s: %s\nlog:\n%s", file, line,
                b10_status_name(expected), b10_reason_name((uint32_t)reason),
                b10_status_name(status), b10_reason_name(replica->error.code),
                replica->error.message, replica->log);
    fail();
}

static void fill_sources(const struct scratch *scratch, const char *root)
{
    char name[300];
    char text[4000];
    for (unsigned i = 0; i < 40; i++) {
        snprintf(name, sizeof(name), "%s/%02x/c%02xkernel%u.py", root, i % 7, i % 7, i);
        int size = snprintf(text, sizeof(text), "# kernel %u\nimport torch\n", i);
        for (unsigned j = 0; j < i * 3; j++)
            size += snprintf(text + size, sizeof(text) - (size_t)size, "tmp%u = tmp%u * %u\n", j,
                             j / 2, i);
        scratch_write(scratch, name, text, (size_t)size);
        if (i % 4 == 0) {
            snprintf(name, sizeof(name), "%s/triton/copy%u/kernel.ttir", root, i);
            scratch_text(scratch, name, "module { the same text in every directory }\n");
        }
    }
}

void replica_fill(const struct replica *replica, const char *relative)
{
    const struct scratch *scratch = replica->scratch;
    char name[300];
    fill_sources(scratch, relative);
    snprintf(name, sizeof(name), "%s/fxgraph/ab/fab/entry.json", relative);
    scratch_text(scratch, name, "{\"a\": [1, 2, \"]\"]}");
    snprintf(name, sizeof(name), "%s/zz/large.bin", relative);
    scratch_random(scratch, name, 3000001, 7);
    snprintf(name, sizeof(name), "%s/empty directory", relative);
    scratch_mkdir(scratch, name);
    snprintf(name, sizeof(name), "%s/zz/empty.py", relative);
    scratch_text(scratch, name, "");
    snprintf(name, sizeof(name), "%s/zz/link", relative);
    assert_int_equal(symlinkat("large.bin", scratch->fd, name), 0);
}

const char *replica_archive(const struct replica *replica)
{
    static char path[4400];
    size_t found = 0;
    DIR *directory = opendir(scratch_path(replica->scratch, "volume"));
    assert_non_null(directory);
    path[0] = '\0';
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        if (entry->d_name[0] == '.' || strstr(entry->d_name, ".v1.tar.zst") == NULL)
            continue;
        snprintf(path, sizeof(path), "%s/volume/%s", replica->scratch->path, entry->d_name);
        found++;
    }
    closedir(directory);
    if (found != 1)
        path[0] = '\0';
    return path;
}

size_t replica_volume_entries(const struct replica *replica)
{
    return scratch_count(replica->scratch, "volume");
}
