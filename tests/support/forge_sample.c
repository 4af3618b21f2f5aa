/* An honest archive with a bit of everything, and the tree that must come out of it. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/forge.h"

enum { SAMPLE_SLICE = 4096 };
static const int64_t sample_mtime = 1700000000;

/* Every byte differs from its neighbours' slices, but for one slice of zeros. */
static unsigned char *sample_content(uint64_t size)
{
    unsigned char *content = malloc((size_t)size + 1);
    assert_non_null(content);
    for (uint64_t i = 0; i < size; i++)
        content[i] = i / SAMPLE_SLICE == 1 ? 0 : (unsigned char)(i % 251 + i / SAMPLE_SLICE);
    return content;
}

void forge_sample(struct forge *forge, uint64_t large)
{
    forge_directory(forge, "inductor/ab");
    forge_directory(forge, "inductor/ab/empty");
    forge_file(forge, "inductor/ab/code.py", "print('hello')\n");
    forge_link(forge, "inductor/ab/same.py", "inductor/ab/code.py", 15);
    forge_link(forge, "inductor/same.py", "inductor/ab/code.py", 15);
    forge_file(forge, "inductor/ab/nothing", "");
    forge_close_frame(forge);
    struct forge_tar tool = {.name = "inductor/tool", .mode = 0755, .mtime = 1234567890, .size = 9};
    forge_add(forge, &tool, "#!/bin/sh");
    forge_symlink(forge, "inductor/ab/link", "../tool");
    if (large > 0) {
        unsigned char *content = sample_content(large);
        forge_sliced(forge, "inductor/large", content, large, SAMPLE_SLICE, false);
        free(content);
        forge_link(forge, "inductor/large2", "inductor/large", large);
    }
    forge_file(forge, "headers/pch.h", "#define X 1\n");
}

static void set_time(const char *path, int64_t mtime)
{
    struct timespec times[2] = {{.tv_sec = (time_t)mtime}, {.tv_sec = (time_t)mtime}};
    assert_int_equal(utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW), 0);
}

void forge_tree(const struct scratch *scratch, const char *relative, uint64_t large)
{
    const char *paths[] = {"inductor/ab/code.py", "inductor/ab/same.py", "inductor/same.py",
                           "inductor/ab/nothing", "inductor/tool",       "inductor/ab/link",
                           "headers/pch.h",       "inductor/large",      "inductor/large2"};
    const char *texts[] = {"print('hello')\n", "print('hello')\n",
                           "print('hello')\n", "",
                           "#!/bin/sh",        NULL,
                           "#define X 1\n"};
    char path[512];
    snprintf(path, sizeof(path), "%s/inductor/ab/empty", relative);
    scratch_mkdir(scratch, path);
    unsigned char *content = sample_content(large);
    for (size_t i = 0; i < (large > 0 ? 9 : 7); i++) {
        snprintf(path, sizeof(path), "%s/%s", relative, paths[i]);
        if (i >= 7)
            scratch_write(scratch, path, content, (size_t)large);
        else if (texts[i] != NULL)
            scratch_text(scratch, path, texts[i]);
        else
            assert_int_equal(symlinkat("../tool", scratch->fd, path), 0);
        if (i == 4)
            assert_int_equal(chmod(scratch_path(scratch, path), 0777), 0);
        set_time(scratch_path(scratch, path), i == 4 ? 1234567890 : sample_mtime);
    }
    free(content);
}
