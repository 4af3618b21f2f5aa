#include "support/host.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void keep_log(void *user, b10_log_level level, const char *message)
{
    struct host *host = user;
    size_t used = strlen(host->log);
    snprintf(host->log + used, sizeof(host->log) - used, "%d %s\n", (int)level, message);
}

void host_init(struct host *host, const struct scratch *scratch)
{
    *host = (struct host){.scratch = scratch,
                          .options = B10_INIT(b10_options),
                          .error = B10_INIT(b10_error),
                          .report = B10_INIT(b10_report)};
    host->options.log = keep_log;
    host->options.log_user = host;
    host->config = b10_config_new();
    assert_non_null(host->config);
    scratch_mkdir(scratch, "volume");
    host_set(host, "baseten_fs_enabled", "1");
    host_set(host, "torchinductor_cache_dir", scratch_path(scratch, "local"));
    host_set(host, "b10fs_cache_dir", scratch_path(scratch, "volume"));
    host_set(host, "b10_local_prefixes", "any");
    host_set(host, "b10_cache_roots", "none");
    host_set(host, "min_local_space_mb", "0");
    host_set(host, "min_b10fs_space_mb", "0");
    host_set(host, "b10_log_level", "debug");
}

void host_release(struct host *host)
{
    b10_config_free(host->config);
}

void host_set(struct host *host, const char *key, const char *value)
{
    if (b10_config_set(host->config, key, value, &host->error) != B10_SUCCESS)
        fail_msg("%s=%s: %s", key, value, host->error.message);
}

OperationStatus host_load(struct host *host)
{
    return b10_load(host->config, &host->options, &host->report, &host->error);
}

OperationStatus host_save(struct host *host)
{
    return b10_save(host->config, &host->options, &host->report, &host->error);
}

void host_assert_at(const struct host *host, OperationStatus status, OperationStatus expected,
                    b10_reason reason, const char *file, int line)
{
    if (status == expected && host->error.code == (uint32_t)reason)
        return;
    print_error("%s:%d: %s/%s expected, got %s/%s: %s\nlog:\n%s", file, line,
                b10_status_name(expected), b10_reason_name((uint32_t)reason),
                b10_status_name(status), b10_reason_name(host->error.code), host->error.message,
                host->log);
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

void host_fill(const struct host *host, const char *relative)
{
    const struct scratch *scratch = host->scratch;
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

const char *host_archive(const struct host *host)
{
    static char path[4400];
    size_t found = 0;
    DIR *directory = opendir(scratch_path(host->scratch, "volume"));
    assert_non_null(directory);
    path[0] = '\0';
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        if (entry->d_name[0] == '.' || strstr(entry->d_name, ".v1.tar.zst") == NULL)
            continue;
        snprintf(path, sizeof(path), "%s/volume/%s", host->scratch->path, entry->d_name);
        found++;
    }
    closedir(directory);
    if (found != 1)
        path[0] = '\0';
    return path;
}

size_t host_volume_entries(const struct host *host)
{
    return scratch_count(host->scratch, "volume");
}
