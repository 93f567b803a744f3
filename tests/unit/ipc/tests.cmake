# The tests of broker/ipc, and for each way around a fault of nng's one that must fail without it.
if(NOT TARGET sluice_ipc)
    return()
endif()

add_library(ipc_fixture STATIC ${CMAKE_CURRENT_SOURCE_DIR}/ipc/fixture.c)
target_include_directories(ipc_fixture PUBLIC ${CMAKE_SOURCE_DIR}/tests)
target_link_libraries(ipc_fixture PUBLIC sluice_ipc nng::nng PkgConfig::CMOCKA)
sluice_unit_tests(ipc ipc_fixture failing_alloc)

# nng 1.5.2 forgets what peers of a dead listener took: see the file.
set(ipc_leaks "LSAN_OPTIONS=suppressions=${CMAKE_SOURCE_DIR}/tests/support/nng-dead-listener.lsan")
set_tests_properties(unit/ipc/test_dead_listener PROPERTIES ENVIRONMENT "${ipc_leaks}")

function(ipc_fails_without workaround program test)
    add_test(NAME without/${workaround} COMMAND unit_ipc_${program} only ${test})
    set_tests_properties(without/${workaround} PROPERTIES
        ENVIRONMENT "SLUICE_WITHOUT=${workaround};${ipc_leaks}"
        PASS_REGULAR_EXPRESSION "FAILED  . ${test}"
        TIMEOUT 60)
endfunction()

if(SLUICE_TEST_SWITCHES)
    ipc_fails_without(early_links test_links test_request_sent_with_the_greeting_is_never_lost)
    ipc_fails_without(dead_links test_links test_nothing_of_a_link_comes_after_its_end)
    ipc_fails_without(spare_contexts test_requests test_others_are_heard_while_hundreds_wait)
    ipc_fails_without(receive_limit test_requests test_too_long_request_ends_its_link_only)
    ipc_fails_without(ipc_permissions test_listener test_socket_files_are_for_their_owner_only)
    ipc_fails_without(lock_file test_listener test_second_broker_is_refused_and_told_who_listens)
    ipc_fails_without(publish_queue test_events test_stopped_subscriber_blocks_nobody_and_keeps_its_queue)
    ipc_fails_without(linger test_events test_what_was_published_last_still_goes_out)
    ipc_fails_without(bounded_close test_closing test_closes_in_time_though_nng_hangs)
    if(nng_VERSION VERSION_LESS 1.6) # mended there
        ipc_fails_without(listener_watch test_dead_listener test_serves_after_50_peers_hung_up_at_once)
        ipc_fails_without(orphans test_dead_listener test_peer_of_a_dead_listener_is_hung_up_on)
    endif()
endif()
