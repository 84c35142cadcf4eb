#include "cli/known_elsewhere.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

namespace sallyport::cli {
namespace {

using Names = std::pair<std::string_view, std::string_view>;

constexpr auto commands = std::to_array<Names>({
    {"serve", "gateway"},
    {"server", "gateway"},
    {"proxy", "gateway"},
    {"listen", "gateway"},
    {"curl", "get"},
    {"wget", "get"},
    {"client", "get"},
    {"fetch", "get"},
    {"download", "get"},
    {"vpn", "tun"},
    {"tunnel", "tun"},
    {"load", "bench"},
    {"benchmark", "bench"},
    {"h2load", "bench"},
    {"summary", "trace"},
    {"qlog", "trace"},
    {"certificate", "cert"},
    {"keygen", "cert"},
});

/// Where a name stands twice, the first counts that the command has.
constexpr auto renamed = std::to_array<Names>({
    // trust and credentials
    {"--cacert", "--ca FILE"},
    {"--no-check-certificate", "--insecure"},
    {"-u", "-H 'Authorization: Basic ...'"},
    {"--user", "-H 'Authorization: Basic ...'"},
    {"-U", "--token-file FILE"},
    {"--proxy-user", "--token-file FILE"},
    {"--token", "--token-file FILE"},
    // hops and addresses
    {"-x", "--via PROXY"},
    {"--proxy", "--via PROXY"},
    {"--connect-to", "--resolve HOST:PORT:ADDRESS"},
    {"--inet4-only", "-4"},
    {"--inet6-only", "-6"},
    // HTTP versions
    {"--http3", "--http h3"},
    {"--http3-only", "--http h3"},
    {"--http2", "--http h2"},
    {"--http2-prior-knowledge", "--http h2"},
    {"--http1.1", "--http h1"},
    {"--h1", "--http h1"},
    {"-0", "--http h1"},
    {"--http1.0", "--http h1"},
    // what is asked
    {"-A", "-H 'User-Agent: ...'"},
    {"--user-agent", "-H 'User-Agent: ...'"},
    {"-b", "-H 'Cookie: NAME=VALUE'"},
    {"--cookie", "-H 'Cookie: NAME=VALUE'"},
    {"-e", "-H 'Referer: URL'"},
    {"--referer", "-H 'Referer: URL'"},
    {"-r", "--rate N"},
    {"-r", "-H 'Range: bytes=0-99'"},
    {"--range", "-H 'Range: bytes=0-99'"},
    {"--method", "-X METHOD"},
    {"--data-raw", "-d DATA"},
    {"--data-ascii", "-d DATA"},
    {"--data-urlencode", "-d DATA, percent-encoded,"},
    {"--post-data", "-d DATA"},
    {"--body-data", "-d DATA"},
    {"--post-file", "-d @FILE"},
    {"--body-file", "-d @FILE"},
    {"--spider", "-I"},
    // what is written, and where
    {"-s", "-q"},
    {"--silent", "-q"},
    {"-D", "--seconds S"},
    {"-D", "-i"},
    {"--dump-header", "-i"},
    {"-w", "--json"},
    {"--write-out", "--json"},
    {"--output-document", "-o FILE"},
    {"-P", "-o FILE"},
    {"--directory-prefix", "-o FILE"},
    {"-J", "-O"},
    {"--remote-header-name", "-O"},
    {"--trace-ascii", "-v"},
    {"--trace", "-v"},
    {"--server-response", "-v"},
    // patience
    {"-c", "--resume"},
    {"--continue", "--resume"},
    {"--continue-at", "--resume"},
    {"--connect-timeout", "--timeout S"},
    {"-y", "--stall-timeout S"},
    {"--speed-time", "--stall-timeout S"},
    {"--keepalive-time", "--keep-alive S"},
    {"--tries", "--retry N"},
    {"--waitretry", "--retry-delay S"},
    {"--max-redirs", "-L"},
    {"--max-redirect", "-L"},
    {"-Z", "-n STREAMS"},
    {"--parallel", "-n STREAMS"},
    // load generators
    {"--duration", "--seconds S"},
    {"-z", "--seconds S"},
    {"--clients", "--connections N"},
    {"--concurrency", "--connections N"},
    {"--max-concurrent-streams", "--streams N"},
    {"--warm-up-time", "--warm-up S"},
    // servers
    {"--port", "--listen HOST:PORT"},
    {"-p", "--listen HOST:PORT"},
    {"--bind", "--listen HOST:PORT"},
    {"-b", "--listen HOST:PORT"},
    {"--host", "--listen HOST:PORT"},
    {"--root", "--files DIR"},
    {"--directory", "--files DIR"},
    {"-d", "--files DIR"},
    {"--certificate", "--cert FILE"},
    {"--private-key", "--key FILE"},
    {"--metrics", "--admin HOST:PORT"},
    {"--threads", "--workers N"},
    {"-v", "--log-level debug"},
    {"-v", "--version"},
    {"--verbose", "--log-level debug"},
    {"-q", "--log-level warn"},
    {"--quiet", "--log-level warn"},
});

/// Of clients: what is so without a flag, or what there is not.
constexpr auto needless = std::to_array<Names>({
    {"-S", "errors are always said"},
    {"-sS", "errors are always said; -q leaves out the progress bar and hints"},
    {"--show-error", "errors are always said"},
    {"--compressed", "bodies are written as they come"},
    {"-N", "nothing that came is held back"},
    {"--no-buffer", "nothing that came is held back"},
    {"-g", "nothing in a URL is a pattern"},
    {"--globoff", "nothing in a URL is a pattern"},
    {"-#", "there is a progress bar on a terminal without it"},
    {"--progress-bar", "there is a progress bar on a terminal without it"},
    {"--tlsv1.2", "TLS 1.3 and 1.2 are spoken, the newer first"},
    {"--tlsv1.3", "TLS 1.3 and 1.2 are spoken, the newer first"},
    {"--no-proxy", "no proxy but that of --via is used"},
    {"--noproxy", "no proxy but that of --via is used"},
    {"--cookie-jar", "cookies are not kept; -H 'Cookie: NAME=VALUE' sends one"},
    {"--latency", "latencies are always told"},
});

template <class Table>
std::optional<std::string_view> find(const Table& table, std::string_view name) {
  const auto found = std::ranges::find(table, name, &Names::first);
  if (found == table.end()) return std::nullopt;
  return found->second;
}

}  // namespace

std::optional<std::string> command_known_elsewhere(std::string_view word) {
  const auto found = find(commands, word);
  return found ? std::optional<std::string>(*found) : std::nullopt;
}

std::optional<std::string> flag_known_elsewhere(std::string_view flag,
                                                const std::vector<std::string>& flags) {
  const auto has = [&flags](std::string_view name) { return std::ranges::find(flags, name) != flags.end(); };
  for (const auto& [name, here] : renamed)
    if (name == flag && has(here.substr(0, here.find_first_of(" ,"))))
      return fmt::format("did you mean {}?", here);
  if (flag == "-V" || flag == "--version") return "sallyport --version tells the version";
  const auto why = has("--via") ? find(needless, flag) : std::nullopt;
  return why ? std::optional(fmt::format("leave it out: {}", *why)) : std::nullopt;
}

}  // namespace sallyport::cli
