package extender

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"os"

	configv1 "k8s.io/kube-scheduler/config/v1"
)

// newTransport follows extender.go makeTransport: with HTTPS and no certificate authority, the server is
// not checked.
func newTransport(e *configv1.Extender) (http.RoundTripper, error) {
	settings := e.TLSConfig
	if settings == nil {
		settings = &configv1.ExtenderTLSConfig{}
	}
	ca, err := content(settings.CAData, settings.CAFile)
	if err != nil {
		return nil, err
	}
	if settings.Insecure && ca != nil {
		return nil, errors.New("specifying a root certificates file with the insecure flag is not allowed")
	}
	c := &tls.Config{ServerName: settings.ServerName, InsecureSkipVerify: settings.Insecure || e.EnableHTTPS && ca == nil}
	if ca != nil {
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(ca) {
			return nil, errors.New("there is no certificate of an authority in caData or caFile")
		}
	}
	if c.Certificates, err = certificates(settings); err != nil {
		return nil, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = c
	return transport, nil
}

// certificates are those with which the scheduler shows itself.
func certificates(settings *configv1.ExtenderTLSConfig) ([]tls.Certificate, error) {
	cert, err := content(settings.CertData, settings.CertFile)
	if err != nil {
		return nil, err
	}
	key, err := content(settings.KeyData, settings.KeyFile)
	if err != nil || cert == nil && key == nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, err
	}
	return []tls.Certificate{pair}, nil
}

// content is the data, or else what is in the file, nil when neither is given.
func content(data []byte, file string) ([]byte, error) {
	if len(data) > 0 || file == "" {
		return data, nil
	}
	return os.ReadFile(file)
}
