#include "tidemark/sql/testing/private_server.hpp"

#include <array>
#include <cstdio>
#include <filesystem>
#include <stdexcept>

#include "tidemark/sql/testing/scratch_database.hpp"

namespace tidemark::sql::testing {

std::string repository_path(const std::string& path) {
  return std::string(TIDEMARK_SOURCE_DIR) + "/" + path;
}

PrivateServer::PrivateServer(std::string name, std::string options, int file_kib)
    : name_(std::move(name)),
      options_(std::move(options)),
      file_kib_(file_kib),
      directory_(std::filesystem::temp_directory_path() / scratch_name()) {
  start();
}

PrivateServer::~PrivateServer() {
  try {
    stop();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
  }
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

void PrivateServer::start() {
  const std::string output = run("start");
  const std::string variable = name_ == "postgres" ? "TIDEMARK_TEST_POSTGRES_URL=" : "TIDEMARK_TEST_MYSQL_URL=";
  const std::size_t begin = output.find(variable);
  if (begin == std::string::npos) throw std::runtime_error("tests/servers.sh started nothing: " + output);
  const std::size_t value = begin + variable.size();
  url_ = output.substr(value, output.find('\n', value) - value);
}

void PrivateServer::stop() {
  run("stop");
}

std::string PrivateServer::run(const std::string& action) const {
  std::string command = "TIDEMARK_SERVERS_DIR='" + directory_ + "' TIDEMARK_SERVERS_MYSQL_OPTIONS='" + options_ +
                        "' TIDEMARK_SERVERS_POSTGRES_OPTIONS='" + options_ + "' ";
  if (file_kib_ > 0) command += "TIDEMARK_SERVERS_FILE_KIB=" + std::to_string(file_kib_) + " ";
  command += "'" + repository_path("tests/servers.sh") + "' " + action + " " + name_ + " 2>&1";
  std::string output;
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) throw std::runtime_error("tests/servers.sh can't be run");
  std::array<char, 4096> buffer;
  while (std::fgets(buffer.data(), buffer.size(), pipe) != nullptr) output += buffer.data();
  if (pclose(pipe) != 0) throw std::runtime_error(output);
  return output;
}

}  // namespace tidemark::sql::testing
