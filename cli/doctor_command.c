#include <archive.h>
#include <curl/curl.h>
#include <expat.h>
#include <hdf5.h>
#include <jansson.h>
#include <openssl/crypto.h>
#include <protobuf-c/protobuf-c.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include <yaml.h>
#include <zlib.h>
#include <zstd.h>

#include "base/clock.h"
#include "base/cpu.h"
#include "base/filesystem.h"
#include "base/memory.h"
#include "cli/command.h"
#include "cli/terminal_table.h"
#include "data/sql.h"

#define GIB ((uint64_t)1 << 30)
/* A store's clock may differ from ours by so much before dates of actions go wrong. */
#define SKEW_MAX_S 60

enum health { HEALTH_OK, HEALTH_WARN, HEALTH_BAD };

static const char *const health_names[] = {"ok", "warn", "bad"};

struct examination {
    struct mq_cli *cli;
    json_t *findings;
    enum health worst;
};

/* Add a finding: what was looked at, what was found, and how to mend it ("" when well). */
static void find(struct examination *e, const char *what, enum health health, const char *mend,
                 const char *format, ...) __attribute__((format(printf, 5, 6)));

static void
find(struct examination *e, const char *what, enum health health, const char *mend,
     const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    json_array_append_new(e->findings,
                          json_pack("{s:s, s:s, s:s, s:s}", "what", what, "health",
                                    health_names[health], "found", text, "mend", mend));
    e->worst = MQ_MAX(e->worst, health);
}

static void
examine_libraries(struct examination *e)
{
    int yaml[3];
    unsigned hdf5[3];
    yaml_get_version(&yaml[0], &yaml[1], &yaml[2]);
    H5get_libversion(&hdf5[0], &hdf5[1], &hdf5[2]);
    find(e, "jansson (JSON)", HEALTH_OK, "", "%s", jansson_version_str());
    find(e, "libyaml (settings)", HEALTH_OK, "", "%d.%d.%d", yaml[0], yaml[1], yaml[2]);
    find(e, "HDF5 (Keras models)", HEALTH_OK, "", "%u.%u.%u", hdf5[0], hdf5[1], hdf5[2]);
    find(e, "protobuf-c (ONNX)", HEALTH_OK, "", "%s", protobuf_c_version());
    find(e, "libarchive (tar, zip)", HEALTH_OK, "", "%s", archive_version_details());
    find(e, "expat (workbooks)", HEALTH_OK, "", "%s", XML_ExpatVersion());
    find(e, "zlib, zstd", HEALTH_OK, "", "%s, %s", zlibVersion(), ZSTD_versionString());
    find(e, "OpenSSL (hashes, TLS)", HEALTH_OK, "", "%s", OpenSSL_version(OPENSSL_VERSION));
    find(e, "curl (S3)", HEALTH_OK, "", "%s", curl_version_info(CURLVERSION_NOW)->version);
}

static void
examine_machine(struct examination *e)
{
    char bytes[MQ_FORM_SIZE], used[MQ_FORM_SIZE];
    const char *wish = getenv("MARQUEE_KERNEL");
    enum mq_kernel kernel = mq_cpu_kernel();
    find(e, "CPU kernels", kernel == MQ_KERNEL_GENERIC && wish == NULL ? HEALTH_WARN : HEALTH_OK,
         kernel == MQ_KERNEL_GENERIC && wish == NULL
             ? "training and search are slow without AVX2 or NEON: use a newer machine"
             : "",
         "%s%s%s", mq_kernel_name(kernel), wish != NULL ? ", asked for by MARQUEE_KERNEL=" : "",
         wish != NULL ? wish : "");
    int64_t threads = mq_config_int(e->cli->config, "run.threads");
    find(e, "threads", HEALTH_OK, "", "%d processors, run.threads %lld", mq_cpu_count(),
         (long long)threads);
    uint64_t total = mq_memory_total_bytes();
    mq_form_bytes((int64_t)total, bytes);
    mq_form_bytes((int64_t)mq_memory_resident_bytes(), used);
    find(e, "memory", total < 2 * GIB ? HEALTH_WARN : HEALTH_OK,
         total < 2 * GIB ? "give it 2 GiB or more, or lower run.memory_mb" : "", "%s", bytes);
    const char *folder = getenv("TMPDIR");
    if (folder == NULL)
        folder = "/tmp";
    struct statvfs disk;
    if (statvfs(folder, &disk) != 0) {
        find(e, "scratch folder", HEALTH_BAD, "set TMPDIR to a folder that exists",
             "'%s' cannot be looked at", folder);
        return;
    }
    uint64_t free_bytes = (uint64_t)disk.f_bavail * disk.f_frsize;
    mq_form_bytes((int64_t)free_bytes, bytes);
    bool writable = access(folder, W_OK) == 0;
    enum health health = !writable ? HEALTH_BAD : free_bytes < GIB ? HEALTH_WARN : HEALTH_OK;
    find(e, "scratch folder", health,
         !writable          ? "set TMPDIR to a folder that can be written"
         : free_bytes < GIB ? "free some space, or set TMPDIR to a roomier folder"
                            : "",
         "%s, %s free%s", folder, bytes, writable ? "" : ", not writable");
}

static enum mq_status
ask_engine(const struct mq_config *config, const char *scratch, char *version, size_t size,
           struct mq_error *err)
{
    struct mq_sql *sql = NULL;
    struct mq_sql_options options = mq_sql_options_from(config, scratch);
    enum mq_status st = mq_sql_open(&options, &sql, err);
    int64_t sum = 0;
    if (st == MQ_OK)
        st = mq_sql_scalar(sql, "SELECT CAST(sum(i) AS BIGINT) FROM range(1001) r(i)", &sum, err);
    if (st == MQ_OK && sum != 500500)
        st = mq_fail(err, MQ_E_INTERNAL, "the SQL engine counts wrong: %lld", (long long)sum);
    struct mq_sql_result *result = NULL;
    if (st == MQ_OK)
        st = mq_sql_query_text(sql, "SELECT version()", "t", &result, err);
    int64_t rows = 0;
    if (st == MQ_OK)
        st = mq_sql_next(result, &rows, err);
    if (st == MQ_OK && rows == 1) {
        const struct mq_sql_string *text = mq_sql_column(result, 0);
        snprintf(version, size, "%.*s", (int)text->size, mq_sql_string_bytes(text));
    }
    mq_sql_close(result);
    mq_sql_free(sql);
    return st;
}

static void
examine_engine(struct examination *e)
{
    struct mq_error error = {0};
    char *scratch = NULL, version[64] = "";
    enum mq_status st = mq_fs_scratch(&scratch, &error);
    if (st == MQ_OK)
        st = ask_engine(e->cli->config, scratch, version, sizeof(version), &error);
    if (scratch != NULL)
        (void)!mq_fs_remove(scratch, NULL);
    free(scratch);
    if (st == MQ_OK)
        find(e, "DuckDB (SQL)", HEALTH_OK, "", "%s", version);
    else
        find(e, "DuckDB (SQL)", HEALTH_BAD,
             error.hint[0] != '\0' ? error.hint : "run make setup, which fetches its library", "%s",
             error.message);
}

/* Put, read back, and remove a small object; its time tells the store's clock. */
static enum mq_status
round_trip(struct mq_object_store *store, const char *key, struct mq_object_info *ret_info,
           struct mq_error *err)
{
    static const char text[] = "a probe of marquee doctor; it may be removed\n";
    const char *keys[] = {key};
    struct mq_buffer back = {0};
    enum mq_status st =
        mq_object_put(store, key, text, sizeof(text) - 1, MQ_PUT_ALWAYS, NULL, NULL, err);
    if (st != MQ_OK)
        return st;
    st = mq_object_get(store, key, &back, err);
    if (st == MQ_OK && (back.size != sizeof(text) - 1 || memcmp(back.data, text, back.size) != 0))
        st = mq_fail(err, MQ_E_IO, "the store gave back other bytes than were put");
    if (st == MQ_OK)
        st = mq_object_stat(store, key, ret_info, err);
    mq_buffer_release(&back);
    enum mq_status removed = mq_object_delete(store, keys, 1, st == MQ_OK ? err : NULL);
    return st == MQ_OK ? removed : st;
}

static enum mq_status
examine_store(struct examination *e, struct mq_error *err)
{
    struct mq_object_store *store;
    struct mq_object_info info;
    struct mq_error error = {0};
    const char *uri = mq_config_text(e->cli->config, "store.uri");
    double started_s = mq_clock_monotonic_s();
    char key[256];
    snprintf(key, sizeof(key), "doctor/probe-%ld", (long)getpid());
    enum mq_status st = mq_cli_store(e->cli, &store, &error);
    if (st == MQ_OK)
        st = round_trip(store, key, &info, &error);
    if (st != MQ_OK) {
        find(e, "store", HEALTH_BAD,
             error.hint[0] != '\0' ? error.hint : "check --store, the folder's owner and mode",
             "%s", error.message);
        if (err != NULL)
            *err = error;
        return st;
    }
    find(e, "store", HEALTH_OK, "", "%s: put, get and delete in %.0f ms", uri,
         (mq_clock_monotonic_s() - started_s) * 1000.0);
    int64_t skew_s = (info.modified_ms - mq_clock_now_ms()) / 1000;
    bool far = skew_s > SKEW_MAX_S || skew_s < -SKEW_MAX_S;
    find(e, "clock", far ? HEALTH_WARN : HEALTH_OK,
         far ? "set this machine's clock (NTP), and see that MARQUEE_NOW is unset" : "",
         "%lld s from the store's", (long long)skew_s);
    return MQ_OK;
}

static enum mq_status
print_findings(struct mq_cli *cli, const json_t *findings, struct mq_error *err)
{
    struct mq_table table = {0};
    mq_table_column(&table, "", false);
    mq_table_column(&table, "", false);
    mq_table_column(&table, "", false);
    size_t i;
    json_t *finding;
    json_array_foreach(findings, i, finding)
    {
        mq_table_cell(&table, "%s", json_string_value(json_object_get(finding, "health")));
        mq_table_cell(&table, "%s", json_string_value(json_object_get(finding, "what")));
        mq_table_cell(&table, "%s", json_string_value(json_object_get(finding, "found")));
    }
    enum mq_status st = mq_table_print(&table, cli->out, false, err);
    mq_table_release(&table);
    json_array_foreach(findings, i, finding)
    {
        const char *mend = json_string_value(json_object_get(finding, "mend"));
        if (*mend != '\0')
            fprintf(cli->out, "to mend %s: %s\n",
                    json_string_value(json_object_get(finding, "what")), mend);
    }
    return st;
}

static enum mq_status
run(struct mq_cli *cli, struct mq_error *err)
{
    struct examination e = {.cli = cli, .findings = json_array()};
    struct mq_error store_error = {0};
    examine_libraries(&e);
    examine_machine(&e);
    examine_engine(&e);
    enum mq_status st = examine_store(&e, &store_error);
    enum mq_status printed;
    if (cli->json) {
        printed = mq_cli_print_json(cli, e.findings, err);
    } else {
        printed = print_findings(cli, e.findings, err);
        json_decref(e.findings);
    }
    if (printed != MQ_OK)
        return printed;
    if (st != MQ_OK) {
        if (err != NULL)
            *err = store_error;
        return st;
    }
    if (e.worst == HEALTH_BAD)
        return mq_fail(err, MQ_E_IO, "something is not well: see what is marked bad above");
    return MQ_OK;
}

const struct mq_command mq_command_doctor = {
    .name = "doctor",
    .summary = "check libraries, CPU kernels, memory, scratch space and the store",
    .help = "Looks at everything Marquee stands on and says how to mend what is not well: "
            "libraries with their versions, the instruction set in use, memory, threads, scratch "
            "space, the SQL engine, a put, get and delete in the store, and the store's clock.",
    .run = run,
};
