/* Runs a fuzz target over every file of a corpus folder, and over each file cut and with bits
 * flipped, so that a build without a fuzzer tries more than what was stored. */
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzz.h"

/* In an allocation of its own size, so that a sanitizer sees every read beyond it. */
static void run(const uint8_t *data, size_t size)
{
    uint8_t *exact = malloc(size ? size : 1);
    HOLDS(exact);
    memcpy(exact, data, size);
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
}

static void run_with_variations(uint8_t *data, size_t size)
{
    size_t step = size / 300 + 1;
    run(data, size);
    for (size_t cut = 0; cut < size; cut += step)
        run(data, cut);
    for (size_t at = 0; at < size; at += step) {
        for (int bit = 0; bit < 8; bit += 3) {
            data[at] ^= (uint8_t)(1 << bit);
            run(data, size);
            data[at] ^= (uint8_t)(1 << bit);
        }
    }
}

static void run_file(const char *path)
{
    struct stat stat_of_file;
    FILE *file = fopen(path, "rb");
    HOLDS(file && fstat(fileno(file), &stat_of_file) == 0);
    size_t size = (size_t)stat_of_file.st_size;
    uint8_t *data = malloc(size ? size : 1);
    HOLDS(data && fread(data, 1, size, file) == size);
    fclose(file);
    run_with_variations(data, size);
    free(data);
}

int main(int argc, char **argv)
{
    int files = 0;
    DIR *folder = argc == 2 ? opendir(argv[1]) : NULL;
    if (!folder) {
        fprintf(stderr, "usage: %s CORPUS\n", argv[0]);
        return 2;
    }
    for (struct dirent *entry = readdir(folder); entry; entry = readdir(folder)) {
        char path[4096];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "%s/%s", argv[1], entry->d_name);
        run_file(path);
        files++;
    }
    closedir(folder);
    printf("%d files\n", files);
    return files > 0 ? 0 : 1;
}
