import java.awt.Color;
import java.awt.GraphicsEnvironment;
import java.awt.image.BufferedImage;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.FileInputStream;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.security.spec.PKCS8EncodedKeySpec;
import java.time.Instant;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.util.Base64;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.zip.GZIPInputStream;
import java.util.zip.GZIPOutputStream;
import javax.imageio.ImageIO;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLHandshakeException;
import javax.net.ssl.TrustManagerFactory;
import javax.net.ssl.X509TrustManager;

/** What the smoke test of the image asks of Java: one line for each thing that works, an exception for what does not. */
final class Probe {
  public static void main(String[] args) throws Exception {
    say("authorities", Probe::authorities);
    say("tls", Probe::tls);
    say("zones", () -> Instant.parse("2026-08-04T00:00:00Z").atZone(ZoneId.of("Europe/Berlin")).toString());
    say("zones of old", () -> ZoneId.of("America/New_York").getRules().getOffset(Instant.parse("1970-07-01T00:00:00Z")).equals(ZoneOffset.ofHours(-4)));
    say("default zone", () -> ZoneId.systemDefault());
    say("text", Probe::text);
    say("compression", Probe::compression);
    say("pictures", Probe::pictures);
    say("programs", Probe::programs);
    say("threads", () -> List.of(1, 2, 3).parallelStream().mapToInt(Integer::intValue).sum());
    System.out.println("java " + Runtime.version().feature() + " on " + System.getProperty("os.arch"));
  }

  private static void say(String name, Callable<?> check) throws Exception {
    System.out.println(name + ": " + check.call());
  }

  private static void demand(boolean holds, String what) {
    if (!holds) {
      throw new AssertionError(what);
    }
  }

  /** The default trust manager reads the key store of the image. */
  private static String authorities() throws Exception {
    TrustManagerFactory factory = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
    factory.init((KeyStore) null);
    X509Certificate[] trusted = ((X509TrustManager) factory.getTrustManagers()[0]).getAcceptedIssuers();
    demand(trusted.length > 100, trusted.length + " authorities");
    Path file = Path.of("/etc/ssl/certs/ca-certificates.crt");
    long inFile = Files.readAllLines(file).stream().filter("-----BEGIN CERTIFICATE-----"::equals).count();
    demand(trusted.length == inFile, trusted.length + " authorities, but " + inFile + " in " + file);
    return "those of the image";
  }

  /** An HTTPS server of its own: a client that trusts its authority, and one that trusts those of the image. */
  private static String tls() throws Exception {
    var server = com.sun.net.httpserver.HttpsServer.create(new InetSocketAddress("127.0.0.1", 0), 0);
    server.setHttpsConfigurator(new com.sun.net.httpserver.HttpsConfigurator(context("/etc/server/server.pem", "/etc/server/server.key", null)));
    server.createContext("/", exchange -> {
      byte[] answer = ("secret of " + exchange.getRequestURI()).getBytes(StandardCharsets.UTF_8);
      exchange.sendResponseHeaders(200, answer.length);
      exchange.getResponseBody().write(answer);
      exchange.close();
    });
    server.start();
    try {
      HttpRequest request = HttpRequest.newBuilder(URI.create("https://127.0.0.1:" + server.getAddress().getPort() + "/page")).build();
      HttpClient trusting = HttpClient.newBuilder().sslContext(context(null, null, "/etc/server/ca.pem")).build();
      HttpResponse<String> response = trusting.send(request, HttpResponse.BodyHandlers.ofString());
      try {
        HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString());
        throw new AssertionError("a certificate of an unknown authority is trusted");
      } catch (SSLHandshakeException expected) {
        demand(expected.getMessage().contains("unable to find valid certification path"), expected.toString());
      }
      return response.body() + " by " + response.sslSession().orElseThrow().getProtocol();
    } finally {
      server.stop(0);
    }
  }

  private static SSLContext context(String certificate, String key, String authority) throws Exception {
    CertificateFactory x509 = CertificateFactory.getInstance("X.509");
    KeyStore store = KeyStore.getInstance("PKCS12");
    store.load(null, null);
    KeyManagerFactory keys = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
    TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
    if (authority != null) {
      store.setCertificateEntry("authority", x509.generateCertificate(new FileInputStream(authority)));
    } else {
      String text = Files.readString(Path.of(key)).replaceAll("-----[A-Z ]+-----|\\s", "");
      var secret = KeyFactory.getInstance("EC").generatePrivate(new PKCS8EncodedKeySpec(Base64.getDecoder().decode(text)));
      store.setKeyEntry("server", secret, new char[0], new java.security.cert.Certificate[] {x509.generateCertificate(new FileInputStream(certificate))});
    }
    keys.init(store, new char[0]);
    trust.init(store);
    SSLContext context = SSLContext.getInstance("TLS");
    context.init(keys.getKeyManagers(), trust.getTrustManagers(), null);
    return context;
  }

  /** Text and names of files are UTF-8, as LANG of the image says. */
  private static String text() throws Exception {
    demand(Charset.defaultCharset().equals(StandardCharsets.UTF_8), "default character set " + Charset.defaultCharset());
    Path file = Files.createTempDirectory("probe").resolve("Füße-日本");
    Files.writeString(file, "Größe");
    try (var names = Files.list(file.getParent())) {
      demand(names.toList().equals(List.of(file)), "a file has another name than it was given");
    }
    return Files.readString(file);
  }

  private static String compression() throws Exception {
    byte[] data = "slim".repeat(1000).getBytes(StandardCharsets.US_ASCII);
    ByteArrayOutputStream packed = new ByteArrayOutputStream();
    try (var out = new GZIPOutputStream(packed)) {
      out.write(data);
    }
    demand(packed.size() < 200, "packed into " + packed.size() + " bytes");
    byte[] again = new GZIPInputStream(new ByteArrayInputStream(packed.toByteArray())).readAllBytes();
    demand(java.util.Arrays.equals(data, again), "unpacked something else");
    return "gzip";
  }

  /** Pictures without text: there are no fonts. */
  private static String pictures() throws Exception {
    demand(GraphicsEnvironment.isHeadless(), "not headless");
    BufferedImage picture = new BufferedImage(20, 10, BufferedImage.TYPE_INT_RGB);
    var graphics = picture.createGraphics();
    graphics.setColor(Color.RED);
    graphics.fillRect(0, 0, 10, 10);
    graphics.dispose();
    ByteArrayOutputStream png = new ByteArrayOutputStream();
    demand(ImageIO.write(picture, "png", png), "no writer of png");
    BufferedImage again = ImageIO.read(new ByteArrayInputStream(png.toByteArray()));
    demand(again.getRGB(5, 5) == 0xffff0000 && again.getRGB(15, 5) == 0xff000000, "other colours");
    return again.getWidth() + "x" + again.getHeight();
  }

  /** Java starts programs by a helper of its own; there is no other program than Java. */
  private static String programs() throws Exception {
    Process process = new ProcessBuilder("/usr/bin/java", "--version").redirectErrorStream(true).start();
    String out = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    demand(process.waitFor() == 0, out);
    return out.split(" ")[0];
  }
}
