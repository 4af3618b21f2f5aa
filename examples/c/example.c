/* A server that compiles kernels when it starts, and starts warm: load the compile cache, compile what is missing, save it
 * for the next replica. Needs only a C compiler.
 *
 *     gcc example.c $(pkg-config --cflags --libs b10transfer) -ldl -o example
 *     BASETEN_FS_ENABLED=1 B10FS_CACHE_DIR=/cache/model/compile_cache ./example
 *
 * The second start, on any machine with the same volume and processor class, finds every kernel. Kernels are cached in
 * the directory that the library saves: TORCHINDUCTOR_CACHE_DIR, by default below the temporary directory.
 */
#include <b10transfer.h>

#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

enum { KERNELS = 48, VALUES = 1024, PATH = B10_PATH_SIZE + 64 };

typedef void kernel_fn(double *values, int count);

static int hits, misses;

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void die(const char *what, const char *name)
{
    fprintf(stderr, "%s: %s\n", what, name);
    exit(EXIT_FAILURE);
}

static void write_source(const char *path, int number)
{
    FILE *file = fopen(path, "w");
    if (file == NULL)
        die("cannot write", path);
    fprintf(file,
            "#include <math.h>\n"
            "void kernel(double *values, int count)\n"
            "{\n"
            "    for (int i = 0; i < count; i++)\n"
            "        values[i] = sin(values[i] * %d.5) + values[(i + %d) %% count] / %d.0;\n"
            "}\n",
            number, number, number + 2);
    fclose(file);
}

/* Compiles under another name first: a cache never holds half a file under a name that is looked up. */
static void compile(const char *directory, const char *object, int number)
{
    char source[PATH], unfinished[PATH + 8], command[2 * PATH + 64];
    snprintf(source, sizeof source, "%s/kernel%02d.c", directory, number);
    snprintf(unfinished, sizeof unfinished, "%s.new", object);
    write_source(source, number);
    snprintf(command, sizeof command, "gcc -O3 -march=native -shared -fPIC '%s' -o '%s' -lm",
             source, unfinished);
    if (system(command) != 0)
        die("cannot compile", source);
    if (rename(unfinished, object) != 0)
        die("cannot rename", unfinished);
}

static void run_kernel(const char *directory, int number, double *values)
{
    char object[PATH];
    snprintf(object, sizeof object, "%s/kernel%02d.so", directory, number);
    struct stat found;
    if (stat(object, &found) == 0) {
        hits++;
    } else {
        misses++;
        compile(directory, object, number);
    }
    void *library = dlopen(object, RTLD_NOW);
    if (library == NULL)
        die("cannot load", dlerror());
    kernel_fn *kernel = (kernel_fn *)(uintptr_t)dlsym(library, "kernel");
    if (kernel == NULL)
        die("cannot find the kernel of", object);
    kernel(values, VALUES);
    dlclose(library);
}

static void run_kernels(const char *directory, double *values)
{
    for (int i = 0; i < VALUES; i++)
        values[i] = i / 100.0;
    for (int number = 0; number < KERNELS; number++)
        run_kernel(directory, number, values);
}

/* FNV-1a: the same outputs, the same digest. */
static uint64_t digest(const double *values)
{
    const unsigned char *bytes = (const unsigned char *)values;
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < VALUES * sizeof *values; i++)
        hash = (hash ^ bytes[i]) * 0x100000001b3u;
    return hash;
}

/* Whatever happens to the cache, the server starts: it only says so. */
static void report(const char *what, OperationStatus status, double start)
{
    printf("%s: %s in %.3f s\n", what, b10_status_name(status), seconds() - start);
    if (status == B10_ERROR)
        fprintf(stderr, "%s: %s\n", what, b10_last_error()->message);
}

int main(void)
{
    static b10_cache_info info = B10_INIT(b10_cache_info);
    static double values[VALUES];
    if (get_cache_info(&info) != B10_SUCCESS)
        die("cannot tell where the cache is", b10_last_error()->message);

    double start = seconds();
    report("load", load_compile_cache(), start); /* before anything is compiled */

    mkdir(info.local_directory, 0777);
    start = seconds();
    run_kernels(info.local_directory, values);
    printf("compile: %.3f s\n", seconds() - start);

    start = seconds();
    report("save", save_compile_cache(), start); /* when everything is */
    printf("cache hits: %d\ncache misses: %d\noutput: %016llx\n", hits, misses,
           (unsigned long long)digest(values));
    return EXIT_SUCCESS;
}
