// Gateway: the server process: its workers, Configuration, admin port, signals and graceful shutdown. Runs on
// the caller's thread, which serves the admin port and the signals.
#pragma once

#include "admin/metric_set.h"
#include "admin/service.h"
#include "base/signal_copies.h"
#include "gateway/configuration_source.h"
#include "gateway/ready_file.h"
#include "gateway/run_as.h"
#include "gateway/settings.h"
#include "gateway/terminal.h"
#include "gateway/worker_thread.h"
#include "net/event_loop.h"

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport::gateway {

class Gateway final : private admin::Pages::Source {
 public:
  /// Returns when all workers listen, and privileges are dropped (Settings::user); signals wait for run().
  /// Errors name the flag or file and the remedy.
  static Result<std::unique_ptr<Gateway>> start(Settings settings);
  ~Gateway();
  /// The Configuration and the process's own settings as text without secrets, as by config::to_text() and
  /// check_process(), or the error with which start() would end. Reads the files, opens no port and makes no
  /// file.
  static Result<std::string> check(const Settings& settings);

  /// The listening addresses, with the chosen ports.
  const std::vector<net::SocketAddress>& addresses() const { return addresses_; }
  /// Where the admin pages are, likewise; nullopt: on a Unix socket, or nowhere.
  const std::optional<net::SocketAddress>& admin_address() const { return settings_.admin; }
  /// Serves until the graceful shutdown started by SIGINT or SIGTERM is complete, or a second one arrives
  /// that is no copy of it (SignalCopies). SIGHUP reads the certificate and token files again and reopens the
  /// served folder; when it comes from a closed terminal, it starts graceful shutdown instead. SIGUSR1
  /// reopens the access log.
  void run();

 private:
  enum class State : std::uint8_t { serving, draining, ended };

  explicit Gateway(Settings settings);
  Result<> set_up();
  /// The files that are read again later.
  Result<> read_files();
  Result<> open_traces(WorkerSetup& setup);
  Result<> open_access_log(WorkerSetup& setup);
  Result<> start_workers();
  /// Stores the chosen port in the settings.
  Result<> start_admin();
  /// Once nothing more needs them.
  Result<> drop_privileges();
  void announce() const;
  void on_signal(int signal);
  /// Applies `configuration` to the workers one after the other, starting at `first`: steering numbers the
  /// sockets of a listener in the order in which they are bound.
  void apply(const std::shared_ptr<const config::Configuration>& configuration, std::size_t first);
  void on_hangup();
  void end_with_terminal();
  void look(Time now);
  void reopen();
  void drain(int signal);
  /// `why`: for the last line of the log.
  void end(std::string_view why);

  // admin::Pages::Source
  bool is_ready() const override { return state_ == State::serving; }
  void make_metrics(std::function<void(std::string)> done) override;
  bool has_leases() const override { return true; }
  void make_leases(bool json, std::function<void(std::string)> done) override;
  void disconnect(const net::IpAddress& address, std::function<void(std::optional<bool>)> done) override;
  void collect(admin::MetricSet& out) const;

  net::EventLoop loop_;
  State state_ = State::serving;
  SignalCopies copies_;
  std::string_view end_signal_;  // the first signal that started the shutdown: "SIGTERM"
  Terminal terminal_;
  bool terminal_was_gone_ = false;  // at the last look
  net::Timer terminal_look_;
  Settings settings_;
  std::optional<User> user_;  // nothing: no --user
  std::vector<net::SocketAddress> addresses_;
  ReadyFile ready_file_;
  std::unique_ptr<ConfigurationSource> source_;
  std::unique_ptr<net::Inbound> inbound_;  // of the admin port
  std::shared_ptr<const WorkerSetup> setup_;
  std::vector<std::unique_ptr<WorkerThread>> workers_;
  std::size_t undrained_ = 0;
  net::Timer grace_;
  std::unique_ptr<admin::Service> admin_;
  net::Timer look_;
};

}  // namespace sallyport::gateway
