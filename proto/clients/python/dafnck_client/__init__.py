"""What a client of the suite needs beside the generated code."""
