"""Lock files in, statements about a release out: bill of materials, licences, known vulnerabilities."""
