#pragma once

namespace tidemark::app {

/// Blocks SIGTERM, SIGINT and SIGUSR1 in this thread and all that it starts, so that one thread can wait for them.
/// SIGPIPE and SIGXFSZ are ignored: the calls fail instead. Call before any thread is started.
void block_signals();

/// Waits for SIGTERM or SIGINT, or for wake_waiter(). Answers the signal's number, or 0 when woken.
int wait_for_signal();

/// Ends wait_for_signal(). From any thread.
void wake_waiter();

/// From now on a second SIGTERM or SIGINT ends the process at once, with exit code 1.
void exit_on_next_signal();

}  // namespace tidemark::app
