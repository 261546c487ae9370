"""What a page of the book is made of besides text: exercises, figures with their code, citations, links, the PDF."""
