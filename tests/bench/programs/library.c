/* library load|save: one call of the library with the settings of the environment, and what it cost as one line of
 * JSON.
 *
 *     {"status": "SUCCESS", "reason": "OK", "seconds": 0.0642, "cpu": 0.0871, "peak": 9437184, "bytes": 4257660}
 *
 * Seconds and CPU seconds of the call alone; the peak memory in bytes of the whole process; the archive's size. */
#include <b10transfer.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

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

/* VmHWM belongs to this program alone; ru_maxrss also remembers the process that started it. */
static long peak_bytes(void)
{
    long kilobytes = 0;
    char line[256];
    FILE *file = fopen("/proc/self/status", "re");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "VmHWM: %ld kB", &kilobytes) == 1)
            break;
    if (file)
        fclose(file);
    return kilobytes * 1024;
}

int main(int count, char **arguments)
{
    if (count != 2 || (strcmp(arguments[1], "load") && strcmp(arguments[1], "save")))
        return 2;
    b10_report report = B10_INIT(b10_report);
    b10_error error = B10_INIT(b10_error);
    double cpu_before = cpu();
    double began = now();
    OperationStatus status = strcmp(arguments[1], "load") ? b10_save(NULL, NULL, &report, &error)
                                                          : b10_load(NULL, NULL, &report, &error);
    double took = now() - began;
    double cpu_took = cpu() - cpu_before;
    if (status == B10_ERROR)
        fprintf(stderr, "%s\n", error.message);
    printf(
        "{\"status\": \"%s\", \"reason\": \"%s\", \"seconds\": %.6f, \"cpu\": %.6f, \"peak\": %ld, "
        "\"bytes\": %llu}\n",
        b10_status_name(status), b10_reason_name(report.reason), took, cpu_took, peak_bytes(),
        (unsigned long long)report.archive_bytes);
    return 0;
}
