#include "try_config.h"

#include "app/runtime_dir.h"

static void assert_path(const char *wanted)
{
    char path[256];
    assert_int_equal(runtime_dir_path("n", path, sizeof path), 0);
    assert_string_equal(path, wanted);
}

static void test_path_is_below_the_runtime_directory_or_tmp(void **state)
{
    char wanted[64];
    (void)state;
    snprintf(wanted, sizeof wanted, "/tmp/sluice-%u/n", (unsigned)geteuid());
    setenv("XDG_RUNTIME_DIR", "/run/user/7", 1);
    assert_path("/run/user/7/sluice/n");
    setenv("XDG_RUNTIME_DIR", "", 1);
    assert_path(wanted);
    setenv("XDG_RUNTIME_DIR", "relative", 1); /* to be ignored, says the specification */
    assert_path(wanted);
    unsetenv("XDG_RUNTIME_DIR");
    assert_path(wanted);
}

static void test_path_that_does_not_fit_is_refused(void **state)
{
    char path[8];
    (void)state;
    assert_int_equal(runtime_dir_path("n", path, sizeof path), -1);
}

/* The check of DIR/base/name refuses with "... DIR/@where: it @why". */
static void assert_refused(const char *dir, const char *where, const char *why)
{
    char path[256];
    char error[512] = "";
    char wanted[512];
    snprintf(path, sizeof path, "%s/base/name", dir);
    snprintf(wanted, sizeof wanted, "refusing to put sockets into %s/%s: it %s", dir, where, why);
    assert_int_equal(runtime_dir_check(path, true, error, sizeof error), -1);
    assert_string_equal(error, wanted);
    assert_int_equal(runtime_dir_check(path, false, error, sizeof error), -1);
    assert_string_equal(error, wanted);
}

static void test_directories_are_made_for_the_owner_alone(void **state)
{
    char path[256];
    char error[512];
    struct stat st;
    snprintf(path, sizeof path, "%s/base/name", (char *)*state);
    assert_int_equal(runtime_dir_check(path, false, error, sizeof error), 0);
    assert_int_equal(stat("base", &st), -1);
    for (int again = 0; again < 2; again++) {
        assert_int_equal(runtime_dir_check(path, true, error, sizeof error), 0);
        assert_int_equal(stat("base", &st), 0);
        assert_int_equal(st.st_mode & 07777, 0700);
        assert_int_equal(stat("base/name", &st), 0);
        assert_int_equal(st.st_mode & 07777, 0700);
    }
}

static void test_symbolic_links_are_refused(void **state)
{
    assert_int_equal(mkdir("other", 0700), 0);
    assert_int_equal(symlink("other", "base"), 0);
    assert_refused(*state, "base", "is a symbolic link");
    assert_int_equal(unlink("base"), 0);
    assert_int_equal(mkdir("base", 0700), 0);
    assert_int_equal(symlink("../other", "base/name"), 0);
    assert_refused(*state, "base/name", "is a symbolic link");
}

static void test_files_are_refused(void **state)
{
    try_write("base", "");
    assert_refused(*state, "base", "is not a directory");
}

static void test_directories_open_to_others_are_refused(void **state)
{
    static const mode_t modes[] = {0750, 0705, 0710, 0701, 0720, 0702};
    assert_int_equal(mkdir("base", 0700), 0);
    assert_int_equal(mkdir("base/name", 0700), 0);
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        assert_int_equal(chmod("base/name", modes[i]), 0);
        assert_refused(*state, "base/name", "is open to other users (chmod 700 helps)");
    }
    assert_int_equal(chmod("base", 0755), 0);
    assert_refused(*state, "base", "is open to other users (chmod 700 helps)");
}

static void test_directories_of_other_users_are_refused(void **state)
{
    if (geteuid() != 0)
        skip(); /* only root can give a directory away */
    assert_int_equal(mkdir("base", 0700), 0);
    assert_int_equal(chown("base", 4711, 4711), 0);
    assert_refused(*state, "base", "belongs to another user");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_path_is_below_the_runtime_directory_or_tmp, try_enter,
                                        try_leave),
        cmocka_unit_test_setup_teardown(test_path_that_does_not_fit_is_refused, try_enter, try_leave),
        cmocka_unit_test_setup_teardown(test_directories_are_made_for_the_owner_alone, try_enter, try_leave),
        cmocka_unit_test_setup_teardown(test_symbolic_links_are_refused, try_enter, try_leave),
        cmocka_unit_test_setup_teardown(test_files_are_refused, try_enter, try_leave),
        cmocka_unit_test_setup_teardown(test_directories_open_to_others_are_refused, try_enter, try_leave),
        cmocka_unit_test_setup_teardown(test_directories_of_other_users_are_refused, try_enter, try_leave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
