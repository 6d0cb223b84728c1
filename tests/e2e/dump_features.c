/* dump_features URI TABLE: the records of a feature table as lines, in no defined order: key,
 * version, and attributes in the order of their names. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/feature_store.h"

static int
compare(const void *a, const void *b)
{
    return strcmp((*(const struct mq_attribute *const *)a)->name,
                  (*(const struct mq_attribute *const *)b)->name);
}

static enum mq_status
print(void *context, const struct mq_record *record, struct mq_error *err)
{
    (void)context;
    (void)err;
    const struct mq_attribute *sorted[MQ_RECORD_ATTRIBUTES_MAX];
    for (size_t i = 0; i < record->attribute_count; i++)
        sorted[i] = &record->attributes[i];
    qsort(sorted, record->attribute_count, sizeof(*sorted), compare);
    printf("%s %" PRId64, record->key, record->version);
    for (size_t i = 0; i < record->attribute_count; i++) {
        const struct mq_attribute *a = sorted[i];
        double number;
        printf(" %s=", a->name);
        if (a->type == MQ_ATTRIBUTE_TEXT)
            printf("%s", a->text.data);
        else if (mq_attribute_number(a, &number))
            printf("%.17g", number);
        for (size_t k = 0; a->type == MQ_ATTRIBUTE_REALS && k < a->reals.count; k++)
            printf("%s%.17g", k > 0 ? "," : "", a->reals.items[k]);
    }
    putchar('\n');
    return MQ_OK;
}

int
main(int argc, char **argv)
{
    struct mq_feature_store *store;
    struct mq_error err = {0};
    if (argc != 3)
        return 2;
    enum mq_status st = mq_feature_store_open(argv[1], &store, &err);
    if (st == MQ_OK) {
        st = mq_feature_scan(store, argv[2], 0, 1, print, NULL, &err);
        mq_feature_store_free(store);
    }
    if (st != MQ_OK)
        fprintf(stderr, "dump_features: %s\n", err.message);
    return st == MQ_OK ? 0 : 1;
}
