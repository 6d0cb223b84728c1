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
#include "cli/doctor.h"
#include "cli/terminal_table.h"
#include "data/sql.h"

#define GIB ((uint64_t)1 << 30)
void
mq_doctor_find(struct mq_examination *e, const char *what, enum mq_health health, const char *mend,
               const char *format, ...)
{
    static const char *const health_names[] = {"ok", "warn", "bad"};
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
examine_libraries(struct mq_examination *e)
{
    int yaml[3];
    unsigned hdf5[3];
    yaml_get_version(&yaml[0], &yaml[1], &yaml[2]);
    H5get_libversion(&hdf5[0], &hdf5[1], &hdf5[2]);
    mq_doctor_find(e, "jansson (JSON)", MQ_HEALTH_OK, "", "%s", jansson_version_str());
    mq_doctor_find(e, "libyaml (settings)", MQ_HEALTH_OK, "", "%d.%d.%d", yaml[0], yaml[1],
                   yaml[2]);
    mq_doctor_find(e, "HDF5 (Keras models)", MQ_HEALTH_OK, "", "%u.%u.%u", hdf5[0], hdf5[1],
                   hdf5[2]);
    mq_doctor_find(e, "protobuf-c (ONNX)", MQ_HEALTH_OK, "", "%s", protobuf_c_version());
    mq_doctor_find(e, "libarchive (tar, zip)", MQ_HEALTH_OK, "", "%s", archive_version_details());
    mq_doctor_find(e, "expat (workbooks)", MQ_HEALTH_OK, "", "%s", XML_ExpatVersion());
    mq_doctor_find(e, "zlib, zstd", MQ_HEALTH_OK, "", "%s, %s", zlibVersion(),
                   ZSTD_versionString());
    mq_doctor_find(e, "OpenSSL (hashes, TLS)", MQ_HEALTH_OK, "", "%s",
                   OpenSSL_version(OPENSSL_VERSION));
    mq_doctor_find(e, "curl (S3)", MQ_HEALTH_OK, "", "%s",
                   curl_version_info(CURLVERSION_NOW)->version);
}

static void
examine_machine(struct mq_examination *e)
{
    char bytes[MQ_FORM_SIZE], used[MQ_FORM_SIZE];
    const char *wish = getenv("MARQUEE_KERNEL");
    enum mq_kernel kernel = mq_cpu_kernel();
    mq_doctor_find(e, "CPU kernels",
                   kernel == MQ_KERNEL_GENERIC && wish == NULL ? MQ_HEALTH_WARN : MQ_HEALTH_OK,
                   kernel == MQ_KERNEL_GENERIC && wish == NULL
                       ? "training and search are slow without AVX2 or NEON: use a newer machine"
                       : "",
                   "%s%s%s", mq_kernel_name(kernel),
                   wish != NULL ? ", asked for by MARQUEE_KERNEL=" : "", wish != NULL ? wish : "");
    int64_t threads = mq_config_int(e->cli->config, "run.threads");
    mq_doctor_find(e, "threads", MQ_HEALTH_OK, "", "%d processors, run.threads %lld",
                   mq_cpu_count(), (long long)threads);
    uint64_t total = mq_memory_total_bytes();
    mq_form_bytes((int64_t)total, bytes);
    mq_form_bytes((int64_t)mq_memory_resident_bytes(), used);
    mq_doctor_find(e, "memory", total < 2 * GIB ? MQ_HEALTH_WARN : MQ_HEALTH_OK,
                   total < 2 * GIB ? "give it 2 GiB or more, or lower run.memory_mb" : "", "%s",
                   bytes);
    const char *folder = getenv("TMPDIR");
    if (folder == NULL)
        folder = "/tmp";
    struct statvfs disk;
    if (statvfs(folder, &disk) != 0) {
        mq_doctor_find(e, "scratch folder", MQ_HEALTH_BAD, "set TMPDIR to a folder that exists",
                       "'%s' cannot be looked at", folder);
        return;
    }
    uint64_t free_bytes = (uint64_t)disk.f_bavail * disk.f_frsize;
    mq_form_bytes((int64_t)free_bytes, bytes);
    bool writable = access(folder, W_OK) == 0;
    enum mq_health health = !writable          ? MQ_HEALTH_BAD
                            : free_bytes < GIB ? MQ_HEALTH_WARN
                                               : MQ_HEALTH_OK;
    mq_doctor_find(e, "scratch folder", health,
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
examine_engine(struct mq_examination *e)
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
        mq_doctor_find(e, "DuckDB (SQL)", MQ_HEALTH_OK, "", "%s", version);
    else
        mq_doctor_find(e, "DuckDB (SQL)", MQ_HEALTH_BAD,
                       error.hint[0] != '\0' ? error.hint
                                             : "run make setup, which fetches its library",
                       "%s", error.message);
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
    struct mq_examination e = {.cli = cli, .findings = json_array()};
    struct mq_error store_error = {0};
    examine_libraries(&e);
    examine_machine(&e);
    examine_engine(&e);
    enum mq_status st = mq_doctor_stores(&e, &store_error);
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
    if (e.worst == MQ_HEALTH_BAD)
        return mq_fail(err, MQ_E_IO, "something is not well: see what is marked bad above");
    return MQ_OK;
}

const struct mq_command mq_command_doctor = {
    .name = "doctor",
    .without_store = true,
    .summary = "check libraries, CPU kernels, memory, scratch space and the stores",
    .help = "Looks at everything Marquee stands on and says how to mend what is not well: "
            "libraries with their versions, the instruction set in use, memory, threads, scratch "
            "space, the SQL engine, and each store of the settings by a round trip of its own: an "
            "object put, read, listed and deleted; a record in each table; an event in the topic "
            "of rejected ones (marked as a probe); and the clocks.",
    .run = run,
};
