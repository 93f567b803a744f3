#include "ipc/mailbox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void count_wake(void *arg)
{
    ++*(int *)arg;
}

static void put(struct mailbox *mailbox, struct letter *letter)
{
    mailbox_lock(mailbox);
    mailbox_put(mailbox, letter);
    mailbox_unlock(mailbox);
}

static void test_letters_come_out_in_order(void **state)
{
    struct mailbox mailbox;
    struct letter letters[3] = {0};
    (void)state;
    assert_int_equal(0, mailbox_init(&mailbox, NULL, NULL));
    assert_null(mailbox_take(&mailbox));
    for (int i = 0; i < 3; i++)
        put(&mailbox, &letters[i]);
    struct letter *letter = mailbox_take(&mailbox);
    for (int i = 0; i < 3; i++, letter = letter->next)
        assert_ptr_equal(&letters[i], letter);
    assert_null(letter);
    assert_null(mailbox_take(&mailbox));
    put(&mailbox, &letters[1]);
    assert_ptr_equal(&letters[1], mailbox_take(&mailbox));
    mailbox_deinit(&mailbox);
}

static void test_wakes_once_until_it_was_emptied(void **state)
{
    struct mailbox mailbox;
    struct letter letters[4] = {0};
    int wakes = 0;
    (void)state;
    assert_int_equal(0, mailbox_init(&mailbox, count_wake, &wakes));
    put(&mailbox, &letters[0]);
    put(&mailbox, &letters[1]);
    assert_int_equal(1, wakes);
    mailbox_take(&mailbox);
    assert_int_equal(1, wakes);
    put(&mailbox, &letters[2]);
    assert_int_equal(2, wakes);
    mailbox_take(&mailbox);
    mailbox_silence(&mailbox);
    put(&mailbox, &letters[3]);
    assert_int_equal(2, wakes);
    mailbox_deinit(&mailbox);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_letters_come_out_in_order),
        cmocka_unit_test(test_wakes_once_until_it_was_emptied),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
