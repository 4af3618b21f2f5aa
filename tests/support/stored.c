#include "support/stored.h"

#include <dirent.h>
#include <ftw.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char staging_prefix[] = ".b10transfer";

static void fill(struct replica *replica, const char *headers)
{
    char name[300];
    replica_fill(replica, "saved");
    scratch_random(replica->scratch, "saved/zz/copy of large.bin", 3000001, 7);
    if (headers == NULL)
        return;
    snprintf(name, sizeof(name), "%s/cabc.h.gch", headers);
    scratch_random(replica->scratch, name, 2500000, 3);
    snprintf(name, sizeof(name), "%s/deep/cabc.h", headers);
    scratch_text(replica->scratch, name, "#pragma once\n");
}

void stored_init(struct replica *replica, const struct scratch *scratch, const char *headers)
{
    replica_init(replica, scratch);
    fill(replica, headers);
    stored_destination(replica, "saved", headers);
    replica_assert(replica, replica_save(replica), B10_SUCCESS, B10_REASON_OK);
    stored_destination(replica, "local", NULL);
}

void stored_destination(struct replica *replica, const char *main_root, const char *headers)
{
    char roots[4400] = "none";
    if (headers != NULL)
        snprintf(roots, sizeof(roots), "headers=%s", scratch_path(replica->scratch, headers));
    replica_set(replica, "torchinductor_cache_dir", scratch_path(replica->scratch, main_root));
    replica_set(replica, "b10_cache_roots", roots);
}

static bool is_ours(const char *name)
{
    const char *end = strrchr(name, '.');
    return strncmp(name, staging_prefix, sizeof(staging_prefix) - 1) == 0 ||
           (name[0] == '.' && end != name && strcmp(end, ".tmp") == 0);
}

static size_t left;

static int look(const char *path, const struct stat *stat, int type, struct FTW *where)
{
    (void)stat, (void)type;
    if (!is_ours(path + where->base))
        return 0;
    print_error("left behind: %s\n", path);
    left++;
    return 0;
}

void stored_nothing_left(const struct scratch *scratch)
{
    left = 0;
    assert_int_equal(nftw(scratch->path, look, 32, FTW_PHYS), 0);
    assert_int_equal(left, 0);
}

void stored_comes_back(struct replica *replica, const char *destination)
{
    replica_assert(replica, replica_load(replica), B10_SUCCESS, B10_REASON_OK);
    assert_int_equal(replica->report.existing, 0);
    scratch_assert_same_tree(scratch_path(replica->scratch, "saved"),
                             scratch_path(replica->scratch, destination));
    stored_nothing_left(replica->scratch);
}

static size_t files;

static int count_files(const char *path, const struct stat *stat, int type, struct FTW *where)
{
    (void)path, (void)stat, (void)where;
    files += type != FTW_D;
    return 0;
}

void stored_comes_and_goes(struct replica *replica, const char *destination)
{
    stored_comes_back(replica, destination);
    if (b10_clear(replica_config(replica), NULL, NULL, &replica->error) != B10_SUCCESS)
        fail_msg("clear: %s", replica->error.message);
    files = 0;
    if (scratch_exists(replica->scratch, destination))
        nftw(scratch_path(replica->scratch, destination), count_files, 32, FTW_PHYS);
    assert_int_equal(files, 0);
    stored_nothing_left(replica->scratch);
    stored_comes_back(replica, destination);
}

void stored_round_trip(struct replica *replica)
{
    stored_destination(replica, "saved", NULL);
    replica_set(replica, "b10_save_mode", "replace");
    replica_assert(replica, replica_save(replica), B10_SUCCESS, B10_REASON_OK);
    assert_int_equal(replica->report.left_out_changed, 0);
    assert_int_equal(replica->report.left_out_unsafe, 0);
    assert_int_equal(replica->report.left_out_torn, 0);
    stored_destination(replica, "local", NULL);
    assert_int_equal(b10_verify(replica_config(replica), NULL, replica_archive(replica), NULL,
                                &replica->error),
                     B10_SUCCESS);
    stored_comes_and_goes(replica, "local");
}

size_t stored_staging_in(const struct scratch *scratch, const char *relative)
{
    size_t count = 0;
    DIR *directory = opendir(scratch_path(scratch, relative));
    assert_non_null(directory);
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;)
        count += strncmp(entry->d_name, staging_prefix, sizeof(staging_prefix) - 1) == 0;
    closedir(directory);
    return count;
}
