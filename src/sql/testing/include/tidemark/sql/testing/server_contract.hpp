#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tidemark/sql/server_options.hpp"
#include "tidemark/sql/session.hpp"
#include "tidemark/sql/testing/tcp_gate.hpp"

/// What every adapter of a database server must do when the network, the server or its administrator is in the way, as
/// one suite over the contract of testing/contract.hpp.
namespace tidemark::sql::testing {

/// A database server under test.
struct ServerTarget {
  std::string name;
  const char* url_variable;  ///< Of the environment; the URL's user has every right.
  std::function<std::unique_ptr<Database>(const ServerOptions&)> open;
  std::string parameters_without_tls;  ///< Of the URL, its `?` included.
  std::string parameters_with_tls;  ///< Such that the server's certificate is verified; the authority's path follows.
  std::string session_id;           ///< A query of the own session's number.
  std::string kill;                 ///< Ends the session whose number follows.
  /// Statements that make a user, %u, with password `secret`, who may have one session.
  std::vector<std::string> create_user;
  std::string drop_user;       ///< Drops %u.
  std::string is_encrypted;    ///< A query of one row whose text is `on` or a cipher where the session has TLS.
  std::string make_read_only;  ///< A statement after which the session's transactions are read-only.
  /// The script that grants the least rights, from the repository's root.
  std::string grants;
};

void PrintTo(const ServerTarget& target, std::ostream* out);

class ServerContract : public ::testing::TestWithParam<ServerTarget> {
 protected:
  void SetUp() override;
  void TearDown() override;

  /// The server's URL, by way of the gate, on which the wire is readable.
  std::string gated_url() const;
  /// A database on the test's own schema.
  std::unique_ptr<Database> open(ServerOptions options) const;
  /// The same by way of the gate, with time-outs that no test waits for.
  std::unique_ptr<Database> open_gated() const;
  /// The same by way of the gate, with time-outs that a test sees pass.
  std::unique_ptr<Database> open_gated_for_short() const;
  /// Runs a statement with every right, past the gate.
  void as_owner(const std::string& statement) const;
  /// Makes a user and answers the URL with which the user logs in.
  std::string make_user();

  std::string url_;
  std::string schema_;
  std::string user_;
  std::unique_ptr<TcpGate> gate_;
};

/// Pulls the suite's tests out of the library and into the program.
bool link_server_contract();
inline const bool server_contract_is_linked = link_server_contract();

}  // namespace tidemark::sql::testing
