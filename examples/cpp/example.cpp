/* The full calls from C++: own settings, log lines, progress, and every detail of the outcome.
 *
 *     g++ -std=c++11 example.cpp $(pkg-config --cflags --libs b10transfer) -o example
 *     BASETEN_FS_ENABLED=1 B10FS_CACHE_DIR=/cache/model/compile_cache ./example load|save|list
 */
#include <b10transfer.h>

#include <cstdio>
#include <cstring>
#include <memory>
#include <string>

namespace
{

struct free_config {
    void operator()(b10_config *config) const
    {
        b10_config_free(config);
    }
};

struct free_list {
    void operator()(b10_cache_list *list) const
    {
        b10_cache_list_free(list);
    }
};

using config_ptr = std::unique_ptr<b10_config, free_config>;
using list_ptr = std::unique_ptr<b10_cache_list, free_list>;

void print_log(void *, b10_log_level level, const char *message)
{
    static const char *const names[] = {"error", "warn", "info", "debug"};
    std::fprintf(stderr, "[%s] %s\n", names[level], message);
}

/* A non-zero return would cancel the operation. */
int print_progress(void *, const b10_progress *progress)
{
    std::fprintf(stderr, "%s: %llu of %llu files\n", progress->phase,
                 static_cast<unsigned long long>(progress->files_done),
                 static_cast<unsigned long long>(progress->files_total));
    return 0;
}

int print_list(const b10_config *config, const b10_options &options, b10_error &error)
{
    b10_cache_list *found = nullptr;
    if (b10_list(config, &options, &found, &error) != B10_SUCCESS) {
        std::fprintf(stderr, "list: %s\n", error.message);
        return 1;
    }
    const list_ptr list(found);
    for (size_t i = 0; i < list->total_caches; i++) {
        const b10_cache_entry *entry = b10_cache_list_at(list.get(), i);
        std::printf("%s %llu bytes%s\n", entry->filename,
                    static_cast<unsigned long long>(entry->size_bytes),
                    entry->is_current_environment ? " (this environment)" : "");
    }
    return 0;
}

} // namespace

int main(int argc, char **argv)
{
    const std::string action = argc > 1 ? argv[1] : "load";
    b10_error error = B10_INIT(b10_error);
    b10_report report = B10_INIT(b10_report);
    b10_options options = B10_INIT(b10_options);
    options.log = print_log;
    options.progress = print_progress;

    const config_ptr config(b10_config_new());
    if (!config ||
        b10_config_set(config.get(), "max_cache_size_mb", "2048", &error) != B10_SUCCESS) {
        std::fprintf(stderr, "configuration: %s\n", error.message);
        return 1;
    }
    if (action == "list")
        return print_list(config.get(), options, error);

    const auto operation = action == "save" ? b10_save : b10_load;
    const OperationStatus status = operation(config.get(), &options, &report, &error);
    std::printf("%s: %s (%s) %s\n", action.c_str(), b10_status_name(status),
                b10_reason_name(error.code), error.message);
    if (status == B10_SUCCESS)
        std::printf("%llu files, %llu bytes, %s\n", static_cast<unsigned long long>(report.files),
                    static_cast<unsigned long long>(report.content_bytes), report.archive);
    return status == B10_ERROR ? 1 : 0;
}
