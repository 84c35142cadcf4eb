// Gateway: a listening server: its workers, its Configuration, its admin port, and its end in order. Runs on
// the caller's thread, which serves the admin port and the signals.
#pragma once

#include "gateway/admin.h"
#include "gateway/configuration_source.h"
#include "gateway/metric_set.h"
#include "gateway/settings.h"
#include "gateway/terminal.h"
#include "gateway/token_file.h"
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

class Gateway final : private Admin::Source {
 public:
  /// Returns when all workers listen, and signals wait for run(). Errors name the flag or file and the mend.
  static Result<std::unique_ptr<Gateway>> start(Settings settings);
  ~Gateway();
  /// What `settings` mean, without anything secret, as config::to_text() has it; or what is wrong with them.
  /// Reads the files, and opens no port.
  static Result<std::string> check(const Settings& settings);

  /// Where it listens, with the ports that were chosen.
  const std::vector<net::SocketAddress>& addresses() const { return settings_.listen; }
  /// Serves until SIGINT or SIGTERM and the drain that they start, or a second one. SIGHUP reads the
  /// certificate and token files again and opens the served folder, unless it came of a terminal that was
  /// closed, which is an end as well; SIGUSR1 opens the access log again.
  void run();

 private:
  struct Scrape;
  enum class State : std::uint8_t { serving, draining, ended };

  explicit Gateway(Settings settings);
  Result<> set_up();
  Result<> open_logs(WorkerSetup& setup);
  Result<> start_workers();
  /// Puts the port that was chosen into the settings.
  Result<> start_admin();
  void announce() const;
  void on_signal(int signal);
  /// Hands `configuration` to one worker after the other, from the `first` on: the sockets of a listener
  /// belong to the workers in the order in which they are bound.
  void apply(const std::shared_ptr<const config::Configuration>& configuration, std::size_t first);
  void on_hangup();
  void end_with_terminal();
  void look(Time now);
  void reload_admin_tokens(std::string_view why);
  void reopen();
  void drain(int signal);
  /// `why`: for the last line of the log.
  void end(std::string_view why);

  // Admin::Source
  bool is_ready() const override { return state_ == State::serving; }
  void make_metrics(std::function<void(std::string)> done) override;
  void collect(MetricSet& out) const;

  net::EventLoop loop_;
  State state_ = State::serving;
  std::string_view end_signal_;  // "SIGTERM", the first one to end
  const Terminal terminal_;
  net::Timer terminal_look_;
  Settings settings_;
  std::unique_ptr<ConfigurationSource> source_;
  std::unique_ptr<net::Inbound> inbound_;  // of the admin port
  std::shared_ptr<const WorkerSetup> setup_;
  std::vector<std::unique_ptr<WorkerThread>> workers_;
  std::size_t undrained_ = 0;
  net::Timer grace_;
  std::unique_ptr<Admin> admin_;
  std::optional<TokenFile> admin_tokens_;
  net::Timer look_;
};

}  // namespace sallyport::gateway
