#include "cli/bronze_report.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"

void
mq_cli_layer_name(const struct mq_object_store *store, const char *region,
                  char ret_name[MQ_CLI_LAYER_NAME_MAX])
{
    const char *uri = mq_object_store_uri(store);
    /* A folder's name may hold a question mark. */
    size_t n = strncmp(uri, "s3:", 3) == 0 ? strcspn(uri, "?") : strlen(uri);
    while (n > 0 && uri[n - 1] == '/')
        n--;
    snprintf(ret_name, MQ_CLI_LAYER_NAME_MAX, "%.*s/%s/bronze", (int)n, uri, region);
}

enum mq_status
mq_cli_date(const struct mq_cli *cli, const char **ret_date, struct mq_error *err)
{
    const char *date = mq_cli_text(cli, "--date");
    if (date != NULL && !mq_date_valid(date))
        return mq_cli_usage(cli, err, "--date is '%s' (allowed: a day as in 2026-03-01)", date);
    *ret_date = date;
    return MQ_OK;
}

void
mq_cli_print_findings(struct mq_cli *cli, const char *before,
                      const struct mq_bronze_findings *findings)
{
    for (size_t i = 0; i < findings->kept; i++) {
        mq_autofree char *placed = mq_cli_with_place(cli, findings->texts[i]);
        fprintf(cli->out, "%s%s\n", before, placed != NULL ? placed : findings->texts[i]);
    }
    if (findings->count > (int64_t)findings->kept)
        fprintf(cli->out, "%s… and %lld more\n", before,
                (long long)findings->count - (long long)findings->kept);
}

json_t *
mq_cli_findings_json(const struct mq_cli *cli, const struct mq_bronze_findings *findings)
{
    json_t *list = json_array();
    for (size_t i = 0; list != NULL && i < findings->kept; i++) {
        mq_autofree char *placed = mq_cli_with_place(cli, findings->texts[i]);
        json_array_append_new(list, json_string(placed != NULL ? placed : findings->texts[i]));
    }
    return list;
}
