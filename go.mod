module example.com/telegram

go 1.26.0
