#pragma once

#include "tidemark/config/load.hpp"

namespace tidemark::app {

/// Runs the server until SIGTERM, SIGINT or a fatal error; returns the exit code of the process.
int serve(const config::Loaded& loaded);

}  // namespace tidemark::app
