/**
 * What the names of folders, tables, topics and groups may be: the same for every store that keeps
 * them, so that a store may be exchanged for another. Threads: reentrant.
 */
#ifndef MQ_BASE_NAME_FORM_H
#define MQ_BASE_NAME_FORM_H

#include <stdbool.h>

/** Topic and group names: 1…200 of A-Z a-z 0-9 - _ . */
#define MQ_TOPIC_NAME_MAX 200
/** Table names: 1…64 of a-z 0-9 - _ . */
#define MQ_TABLE_NAME_MAX 64
/** One folder of a store, in bytes. */
#define MQ_FOLDER_NAME_MAX 200

enum mq_name_form {
    MQ_NAME_ANY = 0,       /**< any text */
    MQ_NAME_TOPIC,         /**< of a topic or a group */
    MQ_NAME_TOPIC_OR_NONE, /**< the same, or "" */
    MQ_NAME_FOLDER,        /**< one segment of a key, in any signs */
    MQ_NAME_TABLE,
    MQ_NAME_TABLES, /**< any number of tables, as "a|b|c"; "" between two is passed over */
};

bool mq_name_fits(enum mq_name_form form, const char *text);

/** The form in words: "1 to 64 of a-z 0-9 - _ .". Static. */
const char *mq_name_form_text(enum mq_name_form form);

#endif
