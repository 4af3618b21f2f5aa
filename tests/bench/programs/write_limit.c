/* write_limit SOURCE DESTINATION: what the file system alone costs.
 *
 * Reads a tree into memory, then two threads make the same tree below DESTINATION with nothing but mkdirat, openat,
 * write and close: no archive, no decompression, no times, no checks. Prints one line of JSON as library.c does.
 *
 * Directories and large files are made first, by one thread; then a thread takes one directory at a time and writes the
 * small files in it, then one piece of a large file at a time. All of that is part of the time. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { THREADS = 2, PIECE = 1 << 20 };

struct file {
    char *name;
    char *bytes;
    size_t size;
    struct file *next;
};

struct directory {
    char *path; /* below the root, "." for the root itself */
    struct file *files;
};

struct piece {
    int descriptor;
    const char *bytes;
    size_t size;
    off_t offset;
};

static struct directory *directories;
static struct piece *pieces;
static size_t directory_count, piece_count;
static int destination;
static atomic_size_t next_directory, next_piece;

static void die(const char *what)
{
    fprintf(stderr, "write_limit: %s: %s\n", what, strerror(errno));
    exit(1);
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static double seconds(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

static double cpu(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

static struct file *read_file(int parent, const char *name, struct file *next)
{
    struct file *file = calloc(1, sizeof *file);
    struct stat status;
    int descriptor = openat(parent, name, O_RDONLY | O_CLOEXEC);
    if (!file || descriptor < 0 || fstat(descriptor, &status))
        die(name);
    *file = (struct file){strdup(name), malloc((size_t)status.st_size + 1), (size_t)status.st_size,
                          next};
    if (!file->name || !file->bytes)
        die(name);
    for (size_t done = 0; done < file->size;) {
        ssize_t count = read(descriptor, file->bytes + done, file->size - done);
        if (count <= 0)
            die(name);
        done += (size_t)count;
    }
    close(descriptor);
    return file;
}

static size_t add_directory(const char *path)
{
    directories = realloc(directories, (directory_count + 1) * sizeof *directories);
    if (!directories)
        die(path);
    directories[directory_count] = (struct directory){strdup(path), NULL};
    return directory_count++;
}

static void read_tree(int root, const char *path)
{
    size_t self = add_directory(path);
    int descriptor = openat(root, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *stream = descriptor < 0 ? NULL : fdopendir(descriptor);
    if (!stream)
        die(path);
    for (struct dirent *entry; (entry = readdir(stream));) {
        char below[4096];
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
            continue;
        snprintf(below, sizeof below, "%s/%s", path, entry->d_name);
        if (entry->d_type == DT_DIR)
            read_tree(root, below);
        else if (entry->d_type == DT_REG)
            directories[self].files = read_file(descriptor, entry->d_name, directories[self].files);
    }
    closedir(stream);
}

static void write_all(int descriptor, const char *bytes, size_t size, off_t offset)
{
    for (size_t done = 0; done < size;) {
        ssize_t count = pwrite(descriptor, bytes + done, size - done, offset + (off_t)done);
        if (count < 0)
            die("pwrite");
        done += (size_t)count;
    }
}

static int create(int parent, const char *name)
{
    int descriptor = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (descriptor < 0)
        die(name);
    return descriptor;
}

static void cut(const struct file *file, int descriptor)
{
    for (size_t offset = 0; offset < file->size; offset += PIECE) {
        size_t left = file->size - offset;
        pieces = realloc(pieces, (piece_count + 1) * sizeof *pieces);
        if (!pieces)
            die(file->name);
        pieces[piece_count++] = (struct piece){descriptor, file->bytes + offset,
                                               left < PIECE ? left : PIECE, (off_t)offset};
    }
}

static int open_directory(const struct directory *directory)
{
    int descriptor = openat(destination, directory->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0)
        die(directory->path);
    return descriptor;
}

static void make_directory(const struct directory *directory)
{
    if (strcmp(directory->path, ".") && mkdirat(destination, directory->path, 0777))
        die(directory->path);
    for (const struct file *file = directory->files; file; file = file->next) {
        if (file->size <= PIECE)
            continue;
        int parent = open_directory(directory);
        cut(file, create(parent, file->name));
        close(parent);
    }
}

static void write_small_files(const struct directory *directory)
{
    int parent = open_directory(directory);
    for (const struct file *file = directory->files; file; file = file->next) {
        if (file->size > PIECE)
            continue;
        int descriptor = create(parent, file->name);
        write_all(descriptor, file->bytes, file->size, 0);
        close(descriptor);
    }
    close(parent);
}

static void *work(void *unused)
{
    (void)unused;
    for (size_t i; (i = atomic_fetch_add(&next_directory, 1)) < directory_count;)
        if (directories[i].files)
            write_small_files(&directories[i]);
    for (size_t i; (i = atomic_fetch_add(&next_piece, 1)) < piece_count;)
        write_all(pieces[i].descriptor, pieces[i].bytes, pieces[i].size, pieces[i].offset);
    return NULL;
}

static void write_tree(void)
{
    pthread_t threads[THREADS];
    for (size_t i = 0; i < directory_count; i++)
        make_directory(&directories[i]);
    for (int i = 0; i < THREADS; i++)
        if ((errno = pthread_create(&threads[i], NULL, work, NULL)))
            die("pthread_create");
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (size_t i = 0; i < piece_count; i++)
        if (i == 0 || pieces[i].descriptor != pieces[i - 1].descriptor)
            close(pieces[i].descriptor);
}

int main(int count, char **arguments)
{
    if (count != 3)
        return 2;
    int source = open(arguments[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (source < 0)
        die(arguments[1]);
    read_tree(source, ".");
    if (mkdir(arguments[2], 0777))
        die(arguments[2]);
    destination = open(arguments[2], O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    double cpu_before = cpu();
    double began = now();
    write_tree();
    double took = now() - began;
    printf("{\"status\": \"SUCCESS\", \"seconds\": %.6f, \"cpu\": %.6f}\n", took,
           cpu() - cpu_before);
    return 0;
}
