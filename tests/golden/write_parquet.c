/* write_parquet OUT DATA: item.parquet and action.parquet as the steps make them of a small store
 * with quotes, other scripts, and everything that may be missing. */
#include "step_fixture.h"

static void
copy_out(struct step_fixture *f, enum mq_artifact artifact, const char *folder, const char *name)
{
    char key[MQ_OBJECT_KEY_MAX], path[MQ_PATH_MAX];
    struct mq_error err = {0};
    struct mq_buffer bytes = {0};
    check_ok(mq_artifact_key("1", artifact, MQ_PROGRAM_MOVIE, key, &err));
    check_ok(mq_object_get(f->store, key, &bytes, &err));
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    if (file == NULL || fwrite(bytes.data, 1, bytes.size, file) != bytes.size || fclose(file) != 0)
        exit(1);
    mq_buffer_release(&bytes);
}

int
main(int argc, char **argv)
{
    void *state = NULL;
    if (argc < 2 || fixture_setup(&state) != 0)
        return 1;
    struct step_fixture *f = state;
    fixture_put(f, "system/item-data/basic/1.csv",
                "program_id,program_type,program_name,release_year,director,actor,"
                "category_property,language,ticket_num,popularity,score,level,is_new\n"
                "7,tv,\"Seven, \"\"7\"\"\",1999,Ann,Bo|Cy,Drama|Crime,USA,5,2.5,8.25,PG,1\n"
                "é 8,movie,活着,,,,,,,,,,0\n");
    fixture_put(f, "system/item-data/expand/1.csv",
                "program_id,description,available_from,available_until,territories,duration_s\n"
                "7,\"two\nlines\",2020-01-01,1893456000,cn;us,5400\n");
    fixture_put(f, "system/user-data/portrait/ProfileMap.csv", "user_id,sex\nu,F\n");
    fixture_put(f, "system/user-data/action/2020-12-17/play/playlog.csv",
                "user_id,item_id,timestamp,watch_seconds,duration_seconds,rating\n"
                "u,7,1608163300,60.5,5400,4.5\n\"a,b\",é 8,1608163200,,,\n");
    fixture_put(f, "system/user-data/action/2020-12-17/exposure/exposurelog.csv",
                "user_id,item_id,timestamp,click_source,position,recommend_trace\n"
                "u,7,1608163250,home,3,batch_portrait_ub_3|1.00\nu,é 8,1608163250,,,\n");
    fixture_ok(f, mq_step_item_preprocessing);
    fixture_ok(f, mq_step_user_preprocessing);
    fixture_ok(f, mq_step_action_preprocessing);
    copy_out(f, MQ_ARTIFACT_ITEM_PARQUET, argv[1], "item.parquet");
    copy_out(f, MQ_ARTIFACT_ACTION_PARQUET, argv[1], "action.parquet");
    return fixture_teardown(&state);
}
