import java.io.BufferedInputStream;
import java.io.DataInputStream;
import java.io.FileInputStream;
import java.io.IOException;
import java.net.DatagramPacket;
import java.net.DatagramSocket;
import java.net.SocketException;
import java.net.URI;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.security.KeyStore;
import java.security.MessageDigest;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executors;
import java.util.stream.Collectors;

import tech.kwik.core.QuicClientConnection;
import tech.kwik.core.QuicConnection.QuicVersion;
import tech.kwik.core.QuicSessionTicket;
import tech.kwik.core.log.NullLogger;
import tech.kwik.flupke.HttpError;
import tech.kwik.flupke.HttpStream;
import tech.kwik.flupke.impl.Http3ClientConnectionImpl;

/**
 * flupke, HTTP/3 in Java on kwik, as a client for flupke_test.py; prints JSON.
 * <pre>
 *   get URL CA [times=N] [connections=N] [preferred=1|2] [method=M] [upload=BYTES] [range=RANGE]
 *       Sends the request that many times at once; and all that on so many connections in turn, of which each resumes the session
 *       of the one before. `preferred`: the QUIC version that it would like; it begins with 1.
 *   udp URL CA count=N size=BYTES
 *       A CONNECT-UDP tunnel, whose resource is URL, to an echo.
 * </pre>
 */
public class Main {
    private static final Duration PATIENCE = Duration.ofSeconds(200);

    private final URI uri;
    private final KeyStore authorities;
    private final List<String> options;

    private Main(String[] arguments) throws Exception {
        uri = URI.create(arguments[1]);
        options = Arrays.asList(arguments).subList(3, arguments.length);
        authorities = KeyStore.getInstance(KeyStore.getDefaultType());
        authorities.load(null, null);
        try (var file = new FileInputStream(arguments[2])) {
            Certificate authority = CertificateFactory.getInstance("X.509").generateCertificate(file);
            authorities.setCertificateEntry("authority", authority);
        }
    }

    private String option(String name, String otherwise) {
        for (String option : options) {
            if (option.startsWith(name + "=")) {
                return option.substring(name.length() + 1);
            }
        }
        return otherwise;
    }

    private int number(String name, int otherwise) {
        return Integer.parseInt(option(name, Integer.toString(otherwise)));
    }

    /**
     * kwik loses a ServerHello that comes while its thread that connects is not done with the ClientHello yet, as it may without a network between.
     * So the first datagram is held until that thread waits for what comes.
     */
    private static final class LateSocket extends DatagramSocket {
        private final Thread connecting = Thread.currentThread();
        private boolean waits;

        private LateSocket() throws SocketException {
        }

        @Override
        public void receive(DatagramPacket packet) throws IOException {
            super.receive(packet);
            while (!waits && connecting.getState() != Thread.State.TIMED_WAITING) {
                Thread.yield();
            }
            waits = true;
        }
    }

    private QuicClientConnection connection(QuicSessionTicket ticket) throws Exception {
        var builder = QuicClientConnection.newBuilder()
            .uri(uri)
            .preferIPv4()
            .applicationProtocol("h3")
            .connectTimeout(PATIENCE)
            .customTrustStore(authorities)
            .initialVersion(QuicVersion.V1)
            .preferredVersion(option("preferred", "1").equals("2") ? QuicVersion.V2 : QuicVersion.V1)
            .maxOpenPeerInitiatedUnidirectionalStreams(3)
            .socketFactory(to -> new LateSocket())
            .logger(new NullLogger());
        if (ticket != null) {
            builder.sessionTicket(ticket);
        }
        return builder.build();
    }

    private HttpRequest request() {
        var builder = HttpRequest.newBuilder(uri);
        String upload = option("upload", null);
        builder.method(option("method", "GET"), upload == null
            ? HttpRequest.BodyPublishers.noBody()
            : HttpRequest.BodyPublishers.ofByteArray(new byte[Integer.parseInt(upload)]));
        String range = option("range", null);
        if (range != null) {
            builder.header("range", range);
        }
        return builder.build();
    }

    private static String quoted(String text) {
        return '"' + text.replace("\\", "\\\\").replace("\"", "\\\"") + '"';
    }

    private static String told(HttpResponse<byte[]> answer) {
        try {
            String digest = HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(answer.body()));
            String fields = answer.headers().map().entrySet().stream()
                .map(field -> quoted(field.getKey()) + ": " + quoted(String.join(", ", field.getValue())))
                .collect(Collectors.joining(", "));
            return "{\"status\": " + answer.statusCode() + ", \"sha256\": " + quoted(digest) + ", \"length\": " + answer.body().length
                + ", \"headers\": {" + fields + "}}";
        } catch (java.security.NoSuchAlgorithmException impossible) {
            throw new IllegalStateException(impossible);
        }
    }

    private String get() throws Exception {
        List<String> connections = new ArrayList<>();
        QuicSessionTicket ticket = null;
        for (int i = 0; i < number("connections", 1); i++) {
            QuicClientConnection connection = connection(ticket);
            var client = new Http3ClientConnectionImpl(connection, Executors.newCachedThreadPool());
            client.connect();
            List<CompletableFuture<HttpResponse<byte[]>>> answers = new ArrayList<>();
            for (int j = 0; j < number("times", 1); j++) {
                answers.add(new CompletableFuture<>());
                client.sendAsync(request(), HttpResponse.BodyHandlers.ofByteArray(), answers.get(j));
            }
            List<String> texts = new ArrayList<>();
            for (var answer : answers) {
                texts.add(told(answer.get()));
            }
            List<QuicSessionTicket> tickets = connection.getNewSessionTickets();
            ticket = tickets.isEmpty() ? null : tickets.get(0);
            connections.add("{\"version\": " + quoted(connection.getQuicVersion().toString()) + ", \"answers\": [" + String.join(", ", texts) + "]}");
            connection.closeAndWait();
        }
        return "[" + String.join(", ", connections) + "]";
    }

    private static long variable(DataInputStream from) throws IOException {
        int first = from.readUnsignedByte();
        long value = first & 0x3f;
        for (int more = (1 << (first >> 6)) - 1; more > 0; more--) {
            value = value << 8 | from.readUnsignedByte();
        }
        return value;
    }

    /** Capsules, since flupke has no HTTP datagrams: type 0, a length of two bytes, context ID 0, payload. */
    private String udp() throws Exception {
        QuicClientConnection connection = connection(null);
        var request = HttpRequest.newBuilder(uri).header("capsule-protocol", "?1").build();
        var client = new Http3ClientConnectionImpl(connection, Executors.newCachedThreadPool());
        client.connect();
        HttpStream tunnel;
        try {
            tunnel = client.sendExtendedConnect(request, "connect-udp", "https", PATIENCE);
        } catch (HttpError refused) {
            return "{\"refused\": " + quoted(refused.getMessage()) + ", \"status\": " + refused.getStatusCode() + "}";
        }
        int size = number("size", 100), count = number("count", 1), echoed = 0;
        // Buffered, since flupke's own read() of one byte takes those from 0x80 on for the end.
        var in = new DataInputStream(new BufferedInputStream(tunnel.getInputStream()));
        for (int i = 0; i < count; i++) {
            byte[] payload = new byte[size];
            Arrays.fill(payload, (byte) i);
            byte[] capsule = new byte[size + 4];
            capsule[1] = (byte) (0x40 | size + 1 >> 8);
            capsule[2] = (byte) (size + 1);
            System.arraycopy(payload, 0, capsule, 4, size);
            tunnel.getOutputStream().write(capsule);
            tunnel.getOutputStream().flush();
            long type = variable(in);
            byte[] content = in.readNBytes((int) variable(in));
            if (type == 0 && content[0] == 0 && Arrays.equals(Arrays.copyOfRange(content, 1, content.length), payload)) {
                echoed++;
            }
        }
        tunnel.getOutputStream().close();
        boolean ended = in.read() == -1;
        connection.closeAndWait();
        return "{\"echoed\": " + echoed + ", \"ended\": " + ended + "}";
    }

    public static void main(String[] arguments) throws Exception {
        var main = new Main(arguments);
        String result = arguments[0].equals("udp") ? main.udp() : main.get();
        System.out.write((result + "\n").getBytes(StandardCharsets.UTF_8));
        System.out.flush();
        System.exit(0); // threads of theirs go on
    }
}
